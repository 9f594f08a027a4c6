"""The pool itself: two forests, their copies, and the mixture that answers.

A window's labels come: every member is judged by what it said before it learns from them, the
mixture weighs them anew, then the copies learn. Now and then a full fit takes the first place, and
the forest that had it the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.errors import invalid
from everloop.train.pool.forest import Forest
from everloop.train.pool.growing import Growth
from everloop.train.pool.links import Link
from everloop.train.pool.mixing import Mixture


class Family:
    """One full fit: what prepares its rows, and its forest.

    ``front`` has ``transform`` (n rows of ``X`` in, what the trees read out); None where rows are
    read as they come.
    """

    def __init__(self, front: Any, forest: Forest) -> None:
        self.front, self.forest = front, forest

    def leaves(self, X: np.ndarray) -> np.ndarray:
        return self.forest.leaves(X if self.front is None else self.front.transform(X))


class Pool:
    """A binary classifier, a classifier of k classes, or a regressor, by its ``link``.

    Parameters
    ----------
    seed : of which rows of a window the mixture keeps.

    Attributes
    ----------
    families : the last full fit, and the one before it when there was one.
    mixture : weights of all copies of both.
    growth : when a full fit is due.
    windows : how many it has learned from.
    """

    def __init__(self, link: Link, seed: int = 0) -> None:
        self.link, self.seed = link, seed
        self.families: list[Family] = []
        self.mixture: Mixture | None = None
        self.growth = Growth()
        self.windows = 0

    def renew(self, front: Any, model: Any, rows: int) -> Pool:
        """Take a full fit in: ``model``, LightGBM's estimator behind ``front``, of so many rows.

        It begins with the weights of the one before it, which steps back.
        """
        forest = Forest.of(model, self.link.outputs, rows)
        if (forest.starts.size - 1) % self.link.outputs:
            raise invalid("model", "trees of other classes", f"{self.link.outputs} scores a row")
        self.families = [Family(front, forest), *self.families[:1]]
        self.growth.fitted(rows)
        members = len(forest.values) * len(self.families)
        if self.mixture is None:
            self.mixture = Mixture.new(members, self.link.outputs)
        else:
            self.mixture = self.mixture.begun_again(members)
        return self

    def update(self, X: np.ndarray, y: np.ndarray, then: Pool | None = None) -> Pool:
        """Learn from a window's labels: n rows and their targets.

        ``then`` is the pool that answered these rows, where they come so late that this one has
        learned since; its members are the ones that are judged.

        Raises :class:`~everloop.errors.InvalidInput` before the first full fit, and for targets
        that the pool does not know.
        """
        assert_fitted(self)
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        self._check(X, y)
        if not len(y):
            return self
        mixture = self._mixture()
        leaves = [family.leaves(X) for family in self.families]
        scores = self._member_scores(leaves) if then is None else self._said(then, X)
        self.growth.learned(scores, y, self.link)
        late = 1 if then is None else self.windows - then.windows + 1
        rng = np.random.default_rng([self.seed, self.windows])
        mixture.learn(scores, y, self.link, rng, late)
        for family, reached in zip(self.families, leaves, strict=True):
            family.forest.learn(reached, y, self.link)
        self.windows += 1
        return self

    def kept(self) -> Pool:
        """The members as they answer now, for the ``then`` of a later :meth:`update`."""
        now = Pool(self.link, self.seed)
        now.families = [Family(f.front, f.forest.kept()) for f in self.families]
        now.growth, now.windows = Growth(fits=self.growth.fits), self.windows
        return now

    def wants_full_fit(self, rows: int) -> str | None:
        """Why a full fit on ``rows`` rows is worth its price now; None when it is not."""
        return self.growth.due(rows)

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
        assert_fitted(self)
        return self._member_scores([family.leaves(X) for family in self.families])

    def _member_scores(self, leaves: list[np.ndarray]) -> np.ndarray:
        told = zip(self.families, leaves, strict=True)
        return np.concatenate([family.forest.scores(reached) for family, reached in told])

    def _said(self, then: Pool, X: np.ndarray) -> np.ndarray:
        """What the members of now said then; for one that was not there, the first that was."""
        scores = then.member_scores(X)
        if then.growth.fits == self.growth.fits:
            return scores
        first = scores[: len(then.families[0].forest.values)]
        return np.concatenate([first] * len(self.families))

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


def assert_fitted(pool: Pool) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` before the first full fit."""
    if not pool.families:
        raise invalid("pool", "no trees yet", "a full fit first", fix="Call renew().")
