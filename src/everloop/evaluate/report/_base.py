"""What a report holds. The JSON twin is exactly this; the page is drawn from it.

A part that could not be made is None, and ``left_out`` says why.
"""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.evaluate.explain.attributions import Attributions
from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.explain.importance import Importance
from everloop.evaluate.fairness.groups import Fairness

FORMAT = 1


class Curve(msgspec.Struct, frozen=True):
    """Points of a line, by rising x."""

    name: str
    points: list[tuple[float, float]]


class Chart(msgspec.Struct, frozen=True):
    """One or more lines over the same axes. ``diagonal`` draws what knows nothing (or, of a
    calibration, what is perfect); ``dots`` draws points alone, ``plain`` no point on a line."""

    title: str
    x: str
    y: str
    curves: list[Curve]
    diagonal: bool = False
    dots: bool = False
    note: str = ""
    plain: bool = False


class Column(msgspec.Struct, frozen=True):
    """A feature's column in the rows that train and those that test."""

    name: str
    kind: str
    missing_train: float
    missing_test: float
    train: str
    test: str


class DataPart(msgspec.Struct, frozen=True):
    """What the model saw. ``dataset`` is the digest of the version; notes are of its snapshot."""

    dataset: str | None
    train_rows: int | None
    test_rows: int
    how: str | None
    target: list[tuple[str, float, float]]  # class (or statistic), in training, in test
    columns: list[Column]
    notes: list[str]
    source: str | None = None


class TrainingPart(msgspec.Struct, frozen=True):
    """What was tried, and what was chosen; each candidate is a run."""

    metric: str
    chosen: str
    params: dict[str, Any]
    candidates: list[dict[str, Any]]
    seed: int | None = None
    run: str | None = None
    bytes: int | None = None
    validation: str | None = None  # which training rows chose
    nested: dict[str, Any] | None = None  # value, low, high, scores, chosen: of choosing itself
    notes: list[str] = []  # what failed while others went on


class Confusion(msgspec.Struct, frozen=True):
    """``counts[i][j]`` rows of class i were answered with class j."""

    classes: list[str]
    counts: list[list[int]]


class LabelScore(msgspec.Struct, frozen=True):
    """One of several labels on the held-out rows; what has no value is None."""

    label: str
    rows: int  # that have it
    answered: int  # that were answered with it
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None


class Slice(msgspec.Struct, frozen=True):
    """Rows that share a value, and how good the answers are among them."""

    name: str
    rows: int
    value: float
    low: float | None
    high: float | None


class Slices(msgspec.Struct, frozen=True):
    """The worst slices first; ``overall`` is the metric on every row."""

    metric: str
    overall: float
    worst: list[Slice]
    looked_at: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A model's report. ``created`` is in ms UTC."""

    format: int = FORMAT
    model: str
    task: str
    target: str
    algorithm: str
    created: int
    cycle: int | None = None
    verdict: str | None = None
    reason: str | None = None
    tested: dict[str, Any] = {}  # metrics, gates, comparison: the step's own result
    data: DataPart | None = None
    training: TrainingPart | None = None
    curves: list[Chart] = []
    confusion: Confusion | None = None
    labels: list[LabelScore] = []  # of several labels a row
    slices: Slices | None = None
    importances: list[Importance] = []
    shapley: Attributions | None = None
    dependence: list[Dependence] = []
    fairness: list[Fairness] = []
    fairness_note: str = ""  # why none can be compared
    preparation: list[str] = []
    left_out: list[str] = []
