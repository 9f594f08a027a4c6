"""Dates that go round: December beside January, Sunday beside Monday, 23 h beside 0 h."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Schema
from everloop.train.preparation._step import Step, number, spans
from everloop.train.preparation._wires import Wires

PERIODS = (12.0, 7.0, 24.0)  # of month, weekday and hour
GRID = 2.0**30  # steps in 1: sin 30° and sin 150° are one value, also to the trees of another sine
PARTS = ("month", "weekday", "hour")


class CyclicDates(Step):
    """Sine and cosine of each part of a date, in place of the part; NaN stays NaN."""

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        dates = [(f, columns) for f, columns in spans(schema) if f.kind == "datetime"]
        others = [(f, columns) for f, columns in spans(schema) if f.kind != "datetime"]
        self.kept_ = [c for _, columns in others for c in columns]
        self.columns_ = [c for _, columns in dates for c in columns]
        self.speed_ = 2.0 * np.pi / np.array(PERIODS * len(dates))
        named = [
            number(f"{f.name} {p} {w}") for w in ("sin", "cos") for f, _ in dates for p in PARTS
        ]
        self._become(schema, [f for f, _ in others] + named)
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        if not self.columns_:
            return X
        angle = X[:, self.columns_] * self.speed_
        waves = np.sin(np.column_stack([angle, angle + np.pi / 2]))
        return np.column_stack([X[:, self.kept_], np.round(waves * GRID) / GRID])

    def graph(self, X: str, wires: Wires) -> str:
        if not self.columns_:
            return X
        angle = wires.add("Mul", wires.columns(X, self.columns_), self.speed_)
        turned = wires.add("Add", angle, np.array([np.pi / 2]))
        sine = wires.add("Sin", wires.beside([angle, turned]))
        whole = wires.add("Round", wires.add("Mul", sine, np.array([GRID])))
        waves = wires.add("Div", whole, np.array([GRID]))
        kept = [wires.columns(X, self.kept_)] if self.kept_ else []
        return wires.beside([*kept, waves])
