"""A new fit: on all rows, a window of them, or with weights that fade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from everloop.errors import invalid
from everloop.extensions import update_methods
from everloop.train.check import find_candidate
from everloop.train.spec import ENSEMBLE
from everloop.update.methods._base import About, Around, Champion, Made, Method
from everloop.update.windows import Part, parse_window, windowed

if TYPE_CHECKING:
    from everloop.update.methods.rows import TrainingRows


@update_methods.register("retrain")
class Retrain(Method):
    """Sound for every algorithm: whatever can be fitted once can be fitted again.

    A window needs rows with a time, and ``decay`` an algorithm that takes weights.
    """

    fits = True
    needs_champion = False

    def sound(self, about: About) -> str | None:
        window = parse_window(about.choice.window)
        if window.kind == "all":
            return None
        if about.task == "policy":
            return "a policy learns in its environment, which has no window"
        if not about.timed:
            return f'the window "{window.text}" needs data.time, which says how old a row is'
        if about.stays:
            return (
                f'the window "{window.text}" would be of the kept sample alone, as the rows stay '
                "where they are"
            )
        if window.kind == "decay" and not _weighted(about):
            return (
                f"{about.algorithm} takes no weights for the task {about.task}, so old rows cannot "
                'be made to count less; window = "newest ..." leaves them out'
            )
        return None

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        """Fit the candidates of ``around.spec``, or one with the parameters that are kept."""
        window = parse_window(around.choice.window)
        part = windowed(window, rows.times, len(rows.y), around.since)
        fitted = _taken(rows, part).fit(
            around.spec,
            around.report,
            keep=around.keep,
            study=around.study,
            checkpoints=around.checkpoints,
            weights=part.weights,
            first=around.first,
        )
        if window.kind == "all":
            return Made(fitted, on_all=True)
        return Made(fitted, notes=(part.note,), facts={"window": part.note})


def _taken(rows: TrainingRows, part: Part) -> TrainingRows:
    if part.rows is None:
        return rows
    taken = rows.part(part.rows)
    if not rows.schema.numeric and taken.y.ndim == 1 and len(np.unique(taken.y)) < 2:
        wanted = "a window with rows of two classes or more"
        raise invalid("update.window", part.note, wanted, fix="Widen it.")
    return taken


def _weighted(about: About) -> bool:
    if about.algorithm == ENSEMBLE or ":" in about.algorithm:
        return False
    return about.task in find_candidate(about.algorithm).weighted
