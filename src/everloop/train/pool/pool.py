"""The pool itself: families of members, and the mixture that answers.

A window's labels come: every member is judged by what it said before it learns from them, the
mixture weighs them anew, then the copies learn. Now and then a full fit takes the place of the one
before it, more often a fit on the newest rows that of its own; a line has been there from the
beginning.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from everloop.errors import invalid
from everloop.train.pool.forest import MEMORIES, Forest
from everloop.train.pool.growing import Growth
from everloop.train.pool.line import Line
from everloop.train.pool.links import Link
from everloop.train.pool.mixing import Mixture

JUDGED = 5_000  # of the rows that a line is fitted to, how many say what it is worth at first
Kind = Literal["full", "fresh", "line"]


class Family:
    """Members that read rows alike: the copies of one forest, or of a line.

    ``front`` has ``transform`` (n rows of ``X`` in, what the model reads out); None where rows are
    read as they come. ``number`` tells it from all others of the pool.
    """

    def __init__(self, kind: Kind, number: int, front: Any, model: Forest | Line) -> None:
        self.kind, self.number, self.front, self.model = kind, number, front, model

    def reads(self, X: np.ndarray) -> np.ndarray:
        """What :meth:`scores` of the model takes."""
        if isinstance(self.model, Line):
            return self.model.reads(self.front, X)
        return self.model.leaves(X if self.front is None else self.front.transform(X))

    def kept(self) -> Family:
        return Family(self.kind, self.number, self.front, self.model.kept())


class Pool:
    """A binary classifier, a classifier of k classes, or a regressor, by its ``link``.

    Attributes
    ----------
    families : the last full fit; a line and a fit on the newest rows, where there are.
    mixture : weights of the members of all.
    growth : when a fit is due.
    windows : how many it has learned from.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.families: list[Family] = []
        self.mixture: Mixture | None = None
        self.growth = Growth()
        self.windows = 0

    def renew(self, front: Any, model: Any, rows: int) -> Pool:
        """Take a full fit in: ``model``, LightGBM's estimator behind ``front``, of so many rows.

        It takes the place and the weights of the one before it.
        """
        family = Family("full", self._number(), front, self._forest(model, rows))
        last = self._of("full")
        rest = [one for one in self.families if one.kind != "full"]
        self.growth.fitted(rows)
        self._become([family, *rest], {family.number: last[0]} if last else {})
        return self

    def freshen(self, front: Any, model: Any, rows: int) -> Pool:
        """Take a fit on the newest ``rows`` rows in, for the one that was there before."""
        assert_fitted(self)
        family = Family("fresh", self._number(), front, self._forest(model, rows))
        self.growth.freshened(rows)
        rest = [one for one in self.families if one.kind != "fresh"]
        self._become([*rest, family], {})
        return self

    def draw(self, front: Any, X: np.ndarray, y: np.ndarray) -> Pool:
        """Take a line in, fitted to n rows behind ``front``, unless it were too wide.

        Until a window judges it, it is taken to be as much worse than the mixture as it was on the
        rows that both were fitted on, which flatter trees more.
        """
        assert_fitted(self)
        line = Line.begun(front, X, y, self.link)
        if line is None:
            return self
        family = Family("line", self._number(), front, line)
        Xn, yn = X[-JUDGED:], y[-JUDGED:]
        said = (line.scores(family.reads(Xn))[0], self.scores(Xn))
        worse = [float(self.link.losses(one, yn).mean()) for one in said]
        self._become([*self.families, family], {})
        self._mixture().losses[-line.members :] += worse[0] - worse[1]
        return self

    def update(self, X: np.ndarray, y: np.ndarray, then: Pool | None = None) -> Pool:
        """Learn from a window's labels: n rows and their targets.

        ``then`` is the pool that answered these rows, where they come so late that this one has
        learned since; its members and its mixture are what is judged.

        Raises :class:`~everloop.errors.InvalidInput` before the first full fit, and for targets
        that the pool does not know.
        """
        assert_fitted(self)
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        self._check(X, y)
        if not len(y):
            return self
        mixture = self._mixture()
        read = [family.reads(X) for family in self.families]
        if then is None:
            mixture.learn(scores := self._member_scores(read), y, self.link)
        else:
            said = then.by_family(X)
            judged = then._mixture().judged(np.concatenate([*said.values()]), y, self.link)
            scores = np.concatenate([said[one] for one in self._ancestors(said)])
            mixture.learn(scores, y, self.link, self.windows - then.windows + 1, judged)
        self.growth.learned(len(y))
        for family, reached in zip(self.families, read, strict=True):
            family.model.learn(reached, y, self.link)
        self.windows += 1
        return self

    def kept(self) -> Pool:
        """The pool as it answers now, for the ``then`` of a later :meth:`update`."""
        now = Pool(self.link)
        now.families = [family.kept() for family in self.families]
        now.mixture, now.windows = copy.deepcopy(self.mixture), self.windows
        return now

    def wants_full_fit(self, rows: int) -> str | None:
        """Why a full fit on ``rows`` rows is worth its price now; None when it is not."""
        return self.growth.due(rows)

    def wants_fresh_fit(self, rows: int) -> int:
        """How many of the newest of ``rows`` rows :meth:`freshen` wants a fit of; 0 for none.

        As many as the best copy of the full fit remembers: of these it is known that the world is
        like them.
        """
        best = int(self._mixture().losses[: 1 + len(MEMORIES)].argmin())
        lasting = np.inf if best == 0 else 1.0 / (1.0 - MEMORIES[best - 1])
        return self.growth.due_fresh(rows, lasting)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of the classes in the order of their codes, n by k."""
        return self.link.answers(self.scores(X))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Numbers of a regressor, codes of the most probable classes of a classifier."""
        answers = self.link.answers(self.scores(X))
        return answers if answers.ndim == 1 else answers.argmax(axis=1)

    def scores(self, X: np.ndarray) -> np.ndarray:
        """The mixture's raw scores, n by outputs."""
        return self._mixture().score(self.member_scores(X))

    def member_scores(self, X: np.ndarray) -> np.ndarray:
        """Raw scores of each member, members by n by outputs."""
        return np.concatenate([*self.by_family(X).values()])

    def by_family(self, X: np.ndarray) -> dict[int, np.ndarray]:
        """The same by the number of each family."""
        assert_fitted(self)
        return {one.number: one.model.scores(one.reads(X)) for one in self.families}

    def _member_scores(self, read: list[np.ndarray]) -> np.ndarray:
        told = zip(self.families, read, strict=True)
        return np.concatenate([family.model.scores(rows) for family, rows in told])

    def _ancestors(self, said: dict[int, np.ndarray]) -> list[int]:
        """Of each family, itself where it was there then, else the full fit that was."""
        first = next(iter(said))
        return [one.number if one.number in said else first for one in self.families]

    def _number(self) -> int:
        return self.growth.fits + self.growth.fresh + (1 if self._of("line") else 0)

    def _forest(self, model: Any, rows: int) -> Forest:
        forest = Forest.of(model, self.link.outputs, rows)
        if (forest.starts.size - 1) % self.link.outputs:
            raise invalid("model", "trees of other classes", f"{self.link.outputs} scores a row")
        return forest

    def _of(self, kind: Kind) -> list[Family]:
        return [family for family in self.families if family.kind == kind]

    def _become(self, families: Sequence[Family], heirs: dict[int, Family]) -> None:
        """Have other families; ``heirs`` says whose weights a new one begins with."""
        places, start = {}, 0
        for family in self.families:
            places[family.number] = range(start, start + family.model.members)
            start += family.model.members
        origin: list[int | None] = []
        for family in families:
            known = places.get(heirs.get(family.number, family).number)
            origin += known or [None] * family.model.members
        self.families = list(families)
        if self.mixture is None:
            self.mixture = Mixture.new(len(origin), self.link.outputs)
        else:
            self.mixture = self.mixture.rearranged(origin)

    def _mixture(self) -> Mixture:
        assert self.mixture is not None, "a pool with a family has a mixture"
        return self.mixture

    def _check(self, X: np.ndarray, y: np.ndarray) -> None:
        if len(X) != len(y):
            raise invalid("y", f"{len(y)} targets", f"one for each of the {len(X)} rows")
        if not np.isfinite(y).all():
            raise invalid("y", "a missing target", "a target for every row", fix="Leave it out.")
        known = self.link.outputs if self.link.outputs > 1 else 2
        if self.link.longest_step < np.inf and len(y) and not np.isin(y, range(known)).all():
            raise invalid(
                "y", float(y[~np.isin(y, range(known))][0]), f"a class from 0 to {known - 1}",
                fix="A new class needs a full fit.",
            )  # fmt: skip


def trees_of_fresh(trees: int) -> int:
    """How many a fresh fit has where a full one has so many: it has fewer rows, and costs time."""
    return max(1, trees // 2)


def assert_fitted(pool: Pool) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` before the first full fit."""
    if not pool.families:
        raise invalid("pool", "no trees yet", "a full fit first", fix="Call renew().")
