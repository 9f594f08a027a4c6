"""How often the champion's gate is fooled, and how often it sees a real difference.

Run: python benchmarks/judgement.py [--promotions 200] [--rows 5000] [--gain 0.01]

Two models answer the same simulated rows. Their scores are normal in each class, the classes one
unit of separation apart, and correlate as those of two models of the same data do. Where they are
truly equal, every promotion is a false one. Where the challenger is truly better by ``gain`` of
AUC, the share that is promoted is the gate's power; beside it stands what a test that *knew* the
variance of the difference could do at the same rate of false promotions (the best possible for
paired areas), and a test that forgets that the rows are the same.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import binomtest, norm

from everloop.data.schema import Feature, Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.gates import Evidence, parse_gate

SCHEMA = Schema((Feature("x", "number"),), "y", "binary", (False, True))
SHARE = 0.2  # of the positive class
CHANCE = 0.025  # of a false promotion, as the gate states it
VARIANCE_DRAWS = 2_000


@dataclass(frozen=True)
class Pair:
    """Two models: their true areas, and how their scores correlate within a class."""

    champion: float
    challenger: float
    correlation: float

    def draw(self, rows: int, rng: np.random.Generator) -> Evidence:
        """What both answer to new rows."""
        y = (rng.random(rows) < SHARE).astype(np.int64)
        noise = rng.standard_normal((rows, 3))
        shared = np.sqrt(self.correlation) * noise[:, 0]
        own = np.sqrt(1.0 - self.correlation) * noise[:, 1:]
        answers = [
            _answers(shared + own[:, i] + y * np.sqrt(2.0) * norm.ppf(area))
            for i, area in enumerate((self.champion, self.challenger))
        ]
        frame = pl.DataFrame({"x": np.zeros(rows)})
        return Evidence(SCHEMA, frame, y, challenger=answers[1], champion=answers[0])


def _answers(score: np.ndarray) -> Answers:
    p = 1.0 / (1.0 + np.exp(-score))
    return Answers((p >= 0.5).astype(np.int64), np.column_stack([1.0 - p, p]))


def promoted(pair: Pair, gate: str, promotions: int, rows: int, seed: int) -> int:
    """How many of so many promotions the gate lets through."""
    judge = parse_gate(gate)
    rng = np.random.default_rng(seed)
    told = track(range(promotions), description=gate, transient=True)
    return sum(judge.check(pair.draw(rows, rng)).verdict == "pass" for _ in told)


def areas(evidence: Evidence) -> tuple[float, float]:
    """The areas of challenger and champion, by ranks."""
    found = []
    for answers in (evidence.challenger, evidence.champion):
        assert answers is not None
        assert answers.proba is not None
        order = np.argsort(np.argsort(answers.proba[:, 1])) + 1.0
        positive = evidence.y == 1
        m, n = positive.sum(), (~positive).sum()
        found.append((order[positive].sum() - m * (m + 1) / 2) / (m * n))
    return found[0], found[1]


def best_power(pair: Pair, rows: int, seed: int) -> tuple[float, float]:
    """Power with the true spread of the difference known, paired; and of an unpaired test."""
    rng = np.random.default_rng(seed)
    drawn = np.array([areas(pair.draw(rows, rng)) for _ in range(VARIANCE_DRAWS)])
    gain = pair.challenger - pair.champion
    paired, unpaired = (drawn[:, 0] - drawn[:, 1]).std(), np.sqrt(drawn.var(axis=0).sum())
    line = norm.ppf(1.0 - CHANCE)
    return float(norm.sf(line - gain / paired)), float(norm.sf(line - gain / unpaired))


def correlation_of_areas(pair: Pair, rows: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    drawn = np.array([areas(pair.draw(rows, rng)) for _ in range(300)])
    return float(np.corrcoef(drawn.T)[0, 1])


def shown(count: int, of: int) -> str:
    low, high = binomtest(count, of).proportion_ci(method="exact")
    return f"{count / of:.1%} [{low:.1%}, {high:.1%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promotions", type=int, default=200)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--gain", type=float, default=0.01)
    parser.add_argument("--area", type=float, default=0.75, help="of the champion")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    gates = ("roc_auc beats champion", "log_loss beats champion", "accuracy beats champion")
    console = Console()
    equal = Table(title=f"truly equal, {told.promotions} promotions, {told.rows:,} rows")
    for title in ("gate", "scores correlate", "falsely promoted [95 %]", "limit"):
        equal.add_column(title)
    for correlation in (0.5, 0.9):
        pair = Pair(told.area, told.area, correlation)
        for gate in gates:
            count = promoted(pair, gate, told.promotions, told.rows, told.seed)
            equal.add_row(gate, f"{correlation}", shown(count, told.promotions), "5 %")
    console.print(equal)
    better = Table(title=f"truly better by {told.gain} of AUC, {told.rows:,} rows")
    for title in ("scores correlate", "areas correlate", "promoted", "known spread", "unpaired"):
        better.add_column(title)
    for correlation in (0.5, 0.8, 0.9, 0.95):
        pair = Pair(told.area, told.area + told.gain, correlation)
        count = promoted(pair, gates[0], told.promotions, told.rows, told.seed + 1)
        best, unpaired = best_power(pair, told.rows, told.seed + 2)
        together = correlation_of_areas(pair, told.rows, told.seed + 3)
        better.add_row(
            f"{correlation}", f"{together:.2f}", shown(count, told.promotions),
            f"{best:.1%}", f"{unpaired:.1%}",
        )  # fmt: skip
    console.print(better)


if __name__ == "__main__":
    main()
