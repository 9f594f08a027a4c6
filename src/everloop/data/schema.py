"""What a model's input looks like: one object, enforced at training and at serving.

Only msgspec and the standard library are imported here, since the data plane reads schemas too.
A feature takes one or more columns of the model's input matrix ``X`` (float64, n rows by width):

========  ===========  ======================================================================
kind      columns      value in ``X``
========  ===========  ======================================================================
number    1            the number; NaN when missing
boolean   1            0.0 or 1.0; NaN when missing
category  1            index of the level in ``levels``; -1.0 for a missing or an unseen level
datetime  3            month (1-12), weekday (Monday is 0), hour with its fraction (UTC); NaN
                       missing
text      shape[0]     number of each word, in the order of the text, -1.0 after the last; which
                       number depends on ``tokens``, see :mod:`everloop.data.texts`
image     h by w by c  pixels from 0 to 255, row by row, channels last; NaN when missing
sequence  steps by c   the last ``steps`` values, channels last, at the end of the columns; NaN
                       before the first
========  ===========  ======================================================================

What a model answers depends on the task:

==================================  =========================================================
task                                answer
==================================  =========================================================
regression, ranking                 ``y``, a number
quantile                            ``y``, the middle one, and ``quantiles`` in ascending order
binary, multiclass, anomaly,        ``label``, a code into ``classes``, and ``probabilities``
policy, bandit                      n by k (anomaly: classes are false and true; bandit: actions)
multilabel                          ``label`` n by k of 0 and 1, and ``probabilities`` n by k,
                                    each label's own (the classes are the labels)
==================================  =========================================================
"""

from __future__ import annotations

from math import prod
from typing import Literal

import msgspec

Kind = Literal["number", "boolean", "category", "datetime", "text", "image", "sequence"]
Task = Literal[
    "regression",
    "binary",
    "multiclass",
    "multilabel",
    "quantile",
    "ranking",
    "anomaly",
    "policy",
    "bandit",
]
NUMERIC: frozenset[Task] = frozenset({"regression", "quantile", "ranking"})

#: What a text is read as: known words, hashes of words, or pieces of a language model.
Tokens = Literal["words", "hashed", "pieces"]
SEPARATOR = ";"  # between several labels of a row where they are one text
UNLABELLED = "anomaly"  # the target's name where the data has no labels

WIDTH: dict[str, int] = {"number": 1, "boolean": 1, "category": 1, "datetime": 3}


class Feature(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input column of a model."""

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()  # of a category, or the words of a text; most frequent first
    nullable: bool = False  # missing values were seen in training
    shape: tuple[int, ...] = ()  # of a text, an image or a sequence
    tokens: Tokens = "words"  # of a text
    buckets: int = 0  # that the words of a text are hashed into

    @property
    def vocabulary(self) -> int:
        """How many different known words a text may have."""
        return self.buckets or len(self.levels)

    @property
    def width(self) -> int:
        """How many columns of ``X`` it takes."""
        return prod(self.shape) if self.shape else WIDTH[self.kind]


class Schema(msgspec.Struct, frozen=True, omit_defaults=True):
    """The features a model reads, in order, and the columns that identify a row.

    ``target`` is the column to predict; ``classes`` its levels in the order of the model's
    probabilities (empty for regression). A request may carry ``id``, ``time`` and ``target``
    beside the features; they are logged and never reach the model. ``ignored`` are columns of the
    training data that the model does not read: new data may still carry them. ``group`` names the
    column whose rows are ranked together; ``quantiles`` are those that a quantile model answers;
    ``persistence`` is the feature that repeats the newest known value of a forecast's target.
    Of a bandit ``target`` is the reward, ``action`` the column of what was done and ``propensity``
    that of how probable it was; the classes are the actions. ``beside`` are columns that the model
    does not read and by whose groups it is judged: a request may carry them, and the log keeps
    them.
    """

    features: tuple[Feature, ...]
    target: str
    task: Task
    classes: tuple[str | int | float | bool, ...] = ()
    id: str | None = None
    time: str | None = None
    ignored: tuple[str, ...] = ()
    group: str | None = None
    quantiles: tuple[float, ...] = ()
    persistence: str | None = None
    action: str | None = None
    propensity: str | None = None
    beside: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that say what a row is, and are no features."""
        given = (self.target, self.id, self.time, self.group, self.action, self.propensity)
        return tuple(name for name in given if name)

    @property
    def numeric(self) -> bool:
        """Whether the model answers a number, not a class."""
        return self.task in NUMERIC

    @property
    def numeric_labels(self) -> bool:
        """Whether a label is a number: also that of a bandit, whose label is a reward."""
        return self.numeric or self.task == "bandit"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features)

    @property
    def width(self) -> int:
        return sum(f.width for f in self.features)

    @property
    def spans(self) -> dict[str, slice]:
        """Which columns of ``X`` each feature takes, by its name."""
        out, first = {}, 0
        for feature in self.features:
            out[feature.name] = slice(first, first + feature.width)
            first += feature.width
        return out
