"""An ensemble of the trials of a study: greedy forward selection with replacement.

Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble selection from libraries of models" (2004):
begin with the best, and again and again add the model (a second time too) with which the mean of
the answers loses least on rows that none of them was fitted on. A model's weight is how often it
was added. Two things keep it from fitting the noise of few rows: it chooses among the best trial of
each algorithm, not among hundreds of them, and by the loss (squares, or the logarithm of the
probability of what was true), which each row tells more of than whether an answer was right.

The best of many trials owes part of its score to luck, and a mean of models less, so the mean is
taken unless it is surely worse than the best single trial on rows that chose neither: the
validation rows are divided, both are chosen on all parts but one and answer that one, and the
resamples of a paired bootstrap are counted. It has to lose visibly less too, since each model that
is in it is served with every answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from everloop.train.predictions import mean_loss
from everloop.train.search.answers import AnswerStore, best_of_each
from everloop.train.search.records import Trial
from everloop.train.training import Training, mean_score

MOST_MEMBERS = 5  # distinct models, since each is served with every answer
ROUNDS = 20
PATIENCE = 5  # rounds that gain nothing, then it ends
PARTS = 5
MOST_ROWS = 10_000  # of the validation rows, that select
RESAMPLES = 200
WORSE = 0.01  # of the resamples: where it is the better one in fewer, it is surely worse
GAIN = 0.005  # of the loss that the best single model has, by which it has to lose less


@dataclass(frozen=True)
class Blend:
    """An ensemble of trials, and how it compares with the best of them.

    Attributes
    ----------
    weights : by position of the trial, their sum 1.
    score : of the ensembles on rows that they were not selected on; greater is better.
    single : the same of the best single trial.
    sure : share of the resamples in which the ensemble is the better one.
    gain : by what share it loses less than the best single one, on the rows that selected both.
    """

    weights: dict[int, float]
    score: float
    single: float
    sure: float
    gain: float

    @property
    def better(self) -> bool:
        """Whether it is to be taken instead of the best single trial."""
        return len(self.weights) > 1 and self.sure >= WORSE and self.gain >= GAIN


class Blender:
    """Selects among answers of trials to the same validation rows.

    Parameters
    ----------
    answers : for each trial, m numbers or probabilities m by k, of the parts one after another.
    """

    def __init__(self, training: Training, answers: Sequence[np.ndarray]) -> None:
        self.training = training
        rows = np.concatenate([rows for _, rows in training.folds])
        self.part = _parts(training, len(rows))
        kept = _sample(len(rows), training.seed)
        self.part, self.y = self.part[kept], training.y[rows[kept]]
        if not training.schema.numeric:
            self.y = self.y.astype(np.int64)
        self.answers = [found[kept].astype(np.float64) for found in answers]

    def blend(self) -> Blend | None:
        """The ensemble; None when there is nothing to mix, or these rows cannot tell."""
        if len(self.answers) < 2:
            return None
        everything = np.arange(len(self.y))
        bag = self._select(everything)
        ours, single = np.empty_like(self.answers[0]), np.empty_like(self.answers[0])
        scores: list[tuple[float, float]] = []
        for part in np.unique(self.part):
            rest, rows = np.flatnonzero(self.part != part), np.flatnonzero(self.part == part)
            ours[rows] = self._mean(self._select(rest), rows)
            single[rows] = self.answers[self._best(rest)][rows]
            scores.append((self._score(ours[rows], rows), self._score(single[rows], rows)))
        found = [mean_score([pair[side] for pair in scores]) for side in (0, 1)]
        if any(np.isnan(found)):
            return None
        numbers, counts = np.unique(bag, return_counts=True)
        weights = {int(n): float(c) / len(bag) for n, c in zip(numbers, counts, strict=True)}
        best = min(self._loss(found, everything) for found in self.answers)
        left = self._loss(self._mean(bag, everything), everything)
        gain = 1 - left / best if best > 0 else 0.0
        return Blend(weights, found[0], found[1], self._sure(ours, single), gain)

    def _select(self, rows: np.ndarray) -> list[int]:
        """Positions of the members, a position as often as it was added."""
        answers = [found[rows] for found in self.answers]
        alone = [self._loss(found, rows) for found in answers]
        bag = [int(np.argmin(alone))]
        total = answers[bag[0]].copy()
        best, best_bag = min(alone), list(bag)
        for _ in range(ROUNDS):
            full = len(set(bag)) >= MOST_MEMBERS
            able = sorted(set(bag)) if full else range(len(self.answers))
            count = len(bag) + 1
            losses = {n: self._loss((total + answers[n]) / count, rows) for n in able}
            chosen = min(losses, key=lambda n: losses[n])
            bag.append(chosen)
            total += answers[chosen]
            if losses[chosen] < best:
                best, best_bag = losses[chosen], list(bag)
            elif len(bag) - len(best_bag) >= PATIENCE:
                break
        return best_bag

    def _best(self, rows: np.ndarray) -> int:
        worth = [self._worth(found[rows], rows) for found in self.answers]
        return max(range(len(worth)), key=lambda n: worth[n])

    def _mean(self, bag: list[int], rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.mean([self.answers[n][rows] for n in bag], axis=0))

    def _worth(self, answers: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
        """The score, and what decides between equal ones."""
        value = self._score(answers, rows)
        return (-np.inf if np.isnan(value) else value), -self._loss(answers, rows)

    def _loss(self, answers: np.ndarray, rows: np.ndarray) -> float:
        return mean_loss(answers, self.y[rows])

    def _score(self, answers: np.ndarray, rows: np.ndarray) -> float:
        if answers.ndim == 1:
            return self.training.score(self.y[rows], answers, None)
        return self.training.score(self.y[rows], answers.argmax(axis=1), answers)

    def _sure(self, ours: np.ndarray, single: np.ndarray) -> float:
        rng = np.random.default_rng(self.training.seed)
        won = 0.0
        for _ in range(RESAMPLES):
            rows = rng.integers(len(self.y), size=len(self.y))
            gain = self._score(ours[rows], rows) - self._score(single[rows], rows)
            won += 0.5 if gain == 0 else float(gain > 0)
        return won / RESAMPLES


def _parts(training: Training, rows: int) -> np.ndarray:
    """In which part each validation row lies: as they were validated, or divided when in one."""
    sizes = [len(own) for _, own in training.folds]
    if len(sizes) > 1:
        return np.repeat(np.arange(len(sizes)), sizes)
    part = np.arange(rows) * PARTS // max(1, rows)
    return part if training.time_ordered else np.random.default_rng(training.seed).permutation(part)


def _sample(rows: int, seed: int) -> np.ndarray:
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))


def blended(
    training: Training, trials: Sequence[Trial], store: AnswerStore
) -> tuple[dict[str, Any], Blend] | None:
    """The best ensemble of each candidate's best trial, as parameters of ``ensemble``.

    None when fewer than two trials have answers, or when no mean is better than the best alone.
    """
    rows = sum(len(own) for _, own in training.folds)
    known = [(trial, store.get(trial.number, rows)) for trial in best_of_each(trials)]
    usable = [(trial, answers) for trial, answers in known if answers is not None]
    blend = Blender(training, [answers for _, answers in usable]).blend()
    if blend is None or len(blend.weights) < 2:
        return None
    order = sorted(blend.weights, key=lambda n: -blend.weights[n])
    members = [
        {
            "algorithm": usable[n][0].candidate,
            "params": usable[n][0].params,
            "weight": blend.weights[n],
        }
        for n in order
    ]
    return {"members": members}, blend
