"""The champion learns on from new rows, with old ones beside them, instead of a new fit."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from everloop.errors import invalid
from everloop.evaluate.answers import Answers
from everloop.extensions import update_methods
from everloop.train.loading import load
from everloop.train.state.families import why_not
from everloop.train.state.names import STATE
from everloop.update.losses import row_losses
from everloop.update.methods._base import About, Around, Champion, Made, Method
from everloop.update.methods._new_rows import recognisable
from everloop.update.windows import LEAST_ROWS

if TYPE_CHECKING:
    from everloop.train.state._base import Lesson
    from everloop.train.state.keeping import Resumable
    from everloop.update.methods.rows import TrainingRows

MOST_NEW = 200_000  # rows, the newest
REPLAYED = (1_000, 20_000)  # old rows, at least and at most
OF_A_CLASS = 20  # replayed rows, at least
JUDGED = 0.2  # of the new rows, the latest, by which a way is chosen
OLD_JUDGED = 5  # every so many of the replayed rows says what a way forgets


@update_methods.register("incremental")
class Incremental(Method):
    """Learns on from what the champion's package keeps; see :mod:`everloop.train.state`.

    New rows alone would make it forget, so old ones are replayed beside them: a sample of those
    that the champion was trained on, never of those that tested it; river's learners, which meet
    one event after another, get the new ones alone. Where a family has several
    ways to learn (leaves refitted or trees added, old rows in full or at a tenth), the later fifth
    of the new rows and a fifth of the old ones choose. Preparation, calibration and threshold stay
    as they are. A gate more judges the model on the rows that tested the champion
    (``update.forget``).
    """

    keeps_schema = True
    learns_new = True
    goes_on = True
    again_on_all = True
    or_retrain = True

    def sound(self, about: About) -> str | None:
        if why := why_not(about.algorithm, about.task):
            return why
        if about.files is not None and STATE not in about.files:
            return "the champion keeps no state to learn on from; what a new fit makes will"
        return recognisable(about)

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        assert champion is not None, "there is nothing to learn on from without one"
        started = time.perf_counter()
        known: Resumable = load("everloop.train.state.keeping:resumable")(champion.folder)
        picked = _picked(rows, around, known.learner.replays)
        _known_classes(rows.y[picked.new], known)
        lesson = _lesson(rows, known, picked)
        way, tried = _way(rows, known, picked, lesson, around)
        model = known.learner.learn(known.model, way, lesson, known.about)
        facts: dict[str, Any] = {
            "way": way,
            "new": len(picked.new),
            "replayed": len(picked.old),
            "updates": known.about.updates + 1,
        }
        if tried:
            facts["tried"] = tried
        fitted = load("everloop.train.tried:Fitted")(
            champion.algorithm, champion.params or known.about.params, known.estimator(model),
            time.perf_counter() - started, None, (), {"learned": facts},
        )  # fmt: skip
        note = _told(champion.version, facts, tried)
        return Made(
            [fitted], state=known.files(model), notes=(note,), facts={"learned": facts}, way=way
        )


class Picked(NamedTuple):
    """Numbers of the new rows, of the replayed old ones, and how many old rows one of these is."""

    new: np.ndarray
    old: np.ndarray
    each: float


def _picked(rows: TrainingRows, around: Around, replays: bool) -> Picked:
    """The newest rows that the champion has not seen, and, where the family ``replays`` them, a
    sample of those that trained it."""
    assert around.seen is not None, "a method that learns from new rows is told which they are"
    unseen, tested = around.seen.unseen(), around.seen.tested()
    new, old = np.flatnonzero(unseen)[-MOST_NEW:], np.flatnonzero(~unseen & ~tested)
    if len(new) < LEAST_ROWS:
        wanted = f"{LEAST_ROWS} labelled rows or more that the champion has not seen"
        raise invalid("rows", len(new), wanted, fix="Wait for more labels, or retrain.")
    if not replays:
        return Picked(new, old[:0], 1.0)
    if not len(old):
        wanted = "rows that the champion was trained on, to be replayed"
        raise invalid("rows", "none of them", wanted, fix="Keep them in data.source, or retrain.")
    rng = np.random.default_rng(rows.seed)
    size = min(len(old), int(np.clip(2 * len(new), *REPLAYED)))
    picked = rng.choice(old, size, replace=False)
    if not rows.schema.numeric and rows.y.ndim == 1:
        for code in np.unique(rows.y[old]):
            picked = np.append(picked, rng.permutation(old[rows.y[old] == code])[:OF_A_CLASS])
    picked = np.unique(picked)
    return Picked(new, picked, len(old) / len(picked))


def _known_classes(y: np.ndarray, known: Resumable) -> None:
    codes = known.about.codes
    strange = np.setdiff1d(y, codes) if codes else np.empty(0)
    if len(strange):
        wanted = f"classes that the champion has met ({len(codes)} of them)"
        raise invalid("rows", f"class number {int(strange[0])}", wanted, fix="Retrain.")


def _lesson(rows: TrainingRows, known: Resumable, picked: Picked) -> Lesson:
    front = known.front

    def read(some: np.ndarray) -> np.ndarray:
        return rows.X[some] if front is None else front.transform(rows.X[some])

    new, old, each = picked
    lesson: Lesson = load("everloop.train.state._base:Lesson")(
        read(new), rows.y[new], read(old), rows.y[old], each, rows.seed
    )
    return lesson


def _way(
    rows: TrainingRows, known: Resumable, picked: Picked, lesson: Lesson, around: Around
) -> tuple[str, dict[str, dict[str, float]]]:
    """The way that was asked for, or the best."""
    if around.way:
        return around.way, {}
    return _best_way(rows, known, picked, lesson, around.forget)


def _best_way(
    rows: TrainingRows, known: Resumable, picked: Picked, lesson: Lesson, forget: float
) -> tuple[str, dict[str, dict[str, float]]]:
    """The way to learn by, and what each does to rows that it was not shown.

    Of those that lose at most ``forget`` of the metric on old rows, the one with the lowest loss on
    later new rows; where all lose more, the one that loses least, and the gates judge it.
    """
    ways = known.learner.ways
    if len(ways) == 1:
        return ways[0], {}
    first = len(picked.new) - max(1, round(len(picked.new) * JUDGED))
    shown = np.arange(len(picked.old)) % OLD_JUDGED != 0
    part = replace(
        lesson,
        X=lesson.X[:first],
        y=lesson.y[:first],
        old_X=lesson.old_X[shown],
        old_y=lesson.old_y[shown],
        each=lesson.each * len(shown) / max(1, int(shown.sum())),
    )
    later, before = picked.new[first:], picked.old[~shown]
    as_it_was = _judged(rows, known, known.model, later, before)
    tried = {
        way: _judged(rows, known, known.learner.learn(known.model, way, part, known.about),
                     later, before)
        for way in ways
    }  # fmt: skip
    lost = {way: as_it_was["old_score"] - told["old_score"] for way, told in tried.items()}
    kind = [way for way in ways if lost[way] <= forget]
    best = min(kind, key=lambda w: tried[w]["loss"]) if kind else min(ways, key=lambda w: lost[w])
    return best, {"as it was": as_it_was, **tried}


def _judged(
    rows: TrainingRows, known: Resumable, model: Any, later: np.ndarray, before: np.ndarray
) -> dict[str, float]:
    """The mean loss on new rows, and the metric (greater is better) on old ones."""
    predict = load("everloop.train.predictions:predict")
    estimator = known.estimator(model)
    new = Answers(*predict(estimator, rows.X[later], rows.schema))
    pred, proba = predict(estimator, rows.X[before], rows.schema)
    loss = float(np.nanmean(row_losses(rows.y[later], new, rows.schema.numeric)))
    score = rows.metric.score(rows.y[before], pred, proba)
    return {"loss": round(loss, 6), "old_score": round(float(np.nan_to_num(score)), 6)}


def _told(version: int, facts: dict[str, Any], tried: dict[str, dict[str, float]]) -> str:
    text = f"Version {version} learned on from {facts['new']:,} new rows"
    if not facts["replayed"]:
        return f"{text}, {facts['way']}."
    text += f" with {facts['replayed']:,} old ones beside them, by {facts['way']}"
    if not tried:
        return f"{text}."
    was, now = tried["as it was"]["loss"], tried[facts["way"]]["loss"]
    return f"{text}: mean loss {now:.4f} on later new rows, {was:.4f} as it was."
