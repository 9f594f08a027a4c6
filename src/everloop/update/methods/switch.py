"""A stored version that suits the present better: the old regime has come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import scipy

from everloop.evaluate.answers import Answers
from everloop.extensions import update_methods
from everloop.monitor.dependence import block_estimate
from everloop.monitor.performance import Score
from everloop.update.losses import row_losses
from everloop.update.methods._base import About, Around, Champion, Made, Method, Seen
from everloop.update.methods._new_rows import recognisable
from everloop.update.windows import LEAST_ROWS, change_start

if TYPE_CHECKING:
    from everloop.update.methods.rows import TrainingRows

CONFIDENCE = 0.90


class Asked(msgspec.Struct, frozen=True):
    """One stored version on recent labelled rows. ``gain`` is its score less the champion's."""

    version: int
    rows: int
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def better(self) -> bool:
        return self.low is not None and self.low > 0


@update_methods.register("switch")
class Switch(Method):
    """Asks the registry's versions about recent labelled rows and proposes the best one.

    It costs no fit. Versions whose package is kept and sound, with the champion's target, are
    asked in turn, those that served first; one is proposed when a paired interval of its gain over
    the champion lies above zero. A version is compared on rows that neither has seen. Sound for
    every algorithm, once there are two versions.
    """

    makes = False
    once_champion = False
    learns_new = True

    def sound(self, about: About) -> str | None:
        if about.task in ("ranking", "policy", "bandit"):
            return f"versions of the task {about.task} are not compared row by row"
        return recognisable(about)

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        assert champion is not None and around.seen is not None, "it is compared with one"
        if around.choice.version is not None:  # the probe has asked
            return Made(proposes=around.choice.version, notes=(around.choice.why,))
        asked = self._asked(rows, around.seen)
        facts: dict[str, Any] = {"asked": [msgspec.to_builtins(one) for one in asked]}
        best = best_of(asked)
        if best is None:
            return Made(nothing=_none(asked, champion, self.once_champion), facts=facts)
        note = (
            f"Version {best.version} has {best.gain:+.4f} ({best.low:+.4f} to {best.high:+.4f}) "
            f"against version {champion.version} on {best.rows:,} recent labelled rows, the best "
            f"of {len(asked)} that were asked."
        )
        return Made(proposes=best.version, notes=(note,), facts=facts)

    def _asked(self, rows: TrainingRows, seen: Seen) -> list[Asked]:
        """Each version on the rows that neither it nor the champion has seen, since the last
        change of the champion's loss."""
        new, own = seen.unseen(), seen.answers()
        if rows.times is not None:
            losses = np.where(new, row_losses(rows.y, own, rows.schema.numeric), np.nan)
            if (since := change_start(losses, rows.times)) is not None:
                new = new & (rows.times >= since)
        others = [one for one in seen.others() if one[0].served or not self.once_champion]
        found = []
        for other, answers, theirs in others:
            fair = np.flatnonzero(new & theirs)
            ours, yours = own.on(fair), answers.on(fair)
            score = rows.metric.score
            found.append(compared(rows.y[fair], ours, yours, score, len(others), other.version))
        return found


@update_methods.register("rollback")
class Rollback(Switch):
    """The same among the versions that were champion once."""

    once_champion = True


def compared(
    y: np.ndarray, champion: Answers, other: Answers, score: Score, of: int, version: int
) -> Asked:
    """The gain of ``other`` over the champion on n rows in order of time, with its interval.

    The interval holds for the best ``of`` so many versions (Bonferroni).
    """
    if len(y) < LEAST_ROWS:
        return Asked(version, len(y), note=f"{len(y)} rows new to both, {LEAST_ROWS} needed")

    def gain(some: np.ndarray) -> float:
        ours, theirs = champion.on(some), other.on(some)
        return score(y[some], theirs.pred, theirs.proba) - score(y[some], ours.pred, ours.proba)

    found = block_estimate(gain, len(y))
    if not np.isfinite(found.error):
        return Asked(version, len(y), note="the metric cannot judge these rows")
    reach = (
        float(scipy.special.stdtrit(found.freedom, 1 - (1 - CONFIDENCE) / (2 * of))) * found.error
    )
    return Asked(version, len(y), found.value, found.value - reach, found.value + reach)


def best_of(asked: list[Asked]) -> Asked | None:
    """The one with the greatest gain of those that are surely better; None without any."""
    better = [one for one in asked if one.better]
    return max(better, key=lambda one: (one.gain or 0.0, one.version), default=None)


def _none(asked: list[Asked], champion: Champion, once: bool) -> str:
    which = "version that served before" if once else "other version"
    if not asked:
        return f"No {which} is kept that could take the place of version {champion.version}."
    told = "; ".join(
        f"version {one.version} {one.note}"
        if one.gain is None
        else f"version {one.version} {one.gain:+.4f} ({one.low:+.4f} to {one.high:+.4f})"
        for one in asked[:4]
    )
    return f"No {which} beats version {champion.version} on recent labelled rows: {told}."
