"""The rows that a method learns from which changes nothing but the last touch of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from everloop.deploy.package import MODEL
from everloop.errors import invalid
from everloop.train.loading import load
from everloop.update.losses import row_losses
from everloop.update.methods._base import About, Around, Champion, Made
from everloop.update.windows import LEAST_ROWS, change_start

if TYPE_CHECKING:
    from everloop.update.methods.rows import TrainingRows


def recognisable(about: About) -> str | None:
    """Why it cannot be told which labelled rows are new to the champion; None where it can."""
    if about.stays:
        return "the rows stay where they are, and only a sample of them is kept"
    if not (about.timed or about.identified):
        return "neither data.time nor data.id says which labelled rows are new to the champion"
    return None


def bare(champion: Champion, rows: TrainingRows, *tails: str) -> Any:
    """The champion's graph without what was put behind its scores, as an estimator."""
    cut_off = load("everloop.train.deciding:without_tails")
    data = cut_off((champion.folder / MODEL).read_bytes(), *tails)
    return load("everloop.train.packed:Packed")(data, len(rows.schema.classes))


def touched(
    champion: Champion,
    estimator: Any,
    seconds: float,
    facts: dict[str, Any],
    note: str,
    way: str = "",
) -> Made:
    """The champion with another last touch."""
    fitted = load("everloop.train.tried:Fitted")(
        champion.algorithm, champion.params or {}, estimator, seconds, None, (), facts
    )
    return Made([fitted], notes=(note,), way=way)


def new_rows(rows: TrainingRows, around: Around) -> TrainingRows:
    """Those that the champion has not seen, from the last change of its losses on.

    Raises :class:`~everloop.errors.InvalidInput` when they are fewer than 200.
    """
    assert around.seen is not None, "a method that learns from new rows is told which they are"
    new = np.flatnonzero(around.seen.unseen())
    if len(new) < LEAST_ROWS:
        wanted = f"{LEAST_ROWS} labelled rows or more that the champion has not seen"
        raise invalid("rows", len(new), wanted, fix="Wait for more labels, or retrain.")
    taken = rows.part(new)
    if taken.times is None:
        return taken
    answers = around.seen.answers().on(new)
    since = change_start(row_losses(taken.y, answers, rows.schema.numeric), taken.times)
    return taken if since is None else taken.part(np.flatnonzero(taken.times >= since))
