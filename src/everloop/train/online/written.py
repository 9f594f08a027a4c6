"""What river's trees know, as plain values, and trees of such values.

Objects are written one after another by what they hold, each once, with its number where it is met
again: leaves share a random generator, and a leaf its tree's splitter. Running means and variances,
most of what there is, are the numbers that they are. Only the classes named here
are made, by ``__new__``; nothing that was written is ever called. Random generators that only
serve to draw samples, and models that no leaf uses, are left out.
"""

from __future__ import annotations

import math
import random
import statistics
import struct
from collections import defaultdict
from functools import partial
from typing import Any

from river._river_rust.drift import AdaptiveWindowing
from river.proba import Gaussian
from river.stats import Mean, Var
from river.tree.splitter.qo_splitter import Slot

from everloop.train.loading import load

MOST_OBJECTS = 5_000_000
_NODES = "river.tree.nodes."
_SPLITTERS = "river.tree.splitter."
_CLASSES: dict[str, str] = {
    name: module
    for module, names in {
        "river.drift.adwin": "ADWIN",
        "river.forest.adaptive_random_forest": (
            "ARFClassifier ARFRegressor BaseTreeClassifier BaseTreeRegressor"
        ),
        "river.metrics.accuracy": "Accuracy",
        "river.metrics.confusion": "ConfusionMatrix",
        "river.metrics.mse": "MSE",
        "river.tree.hoeffding_tree_classifier": "HoeffdingTreeClassifier",
        "river.tree.hoeffding_tree_regressor": "HoeffdingTreeRegressor",
        "river.tree.hoeffding_adaptive_tree_classifier": "HoeffdingAdaptiveTreeClassifier",
        "river.tree.hoeffding_adaptive_tree_regressor": "HoeffdingAdaptiveTreeRegressor",
        f"{_NODES}arf_htc_nodes": "RandomLeafMajorityClass",
        f"{_NODES}arf_htr_nodes": "RandomLeafMean",
        f"{_NODES}branch": "NominalBinaryBranch NumericBinaryBranch",
        f"{_NODES}hatc_nodes": (
            "AdaLeafClassifier AdaNomBinaryBranchClass AdaNumBinaryBranchClass"
        ),
        f"{_NODES}hatr_nodes": "AdaLeafRegMean AdaNomBinaryBranchReg AdaNumBinaryBranchReg",
        f"{_NODES}htc_nodes": "LeafMajorityClass",
        f"{_NODES}htr_nodes": "LeafMean",
        f"{_SPLITTERS}gaussian_splitter": "GaussianSplitter",
        f"{_SPLITTERS}nominal_splitter_classif": "NominalSplitterClassif",
        f"{_SPLITTERS}nominal_splitter_reg": "NominalSplitterReg",
        f"{_SPLITTERS}qo_splitter": "FeatureQuantizer QOSplitter",
    }.items()
    for name in names.split()
}
_PLAIN = (type(None), bool, int, float, str)
_FACTORIES: dict[str, Any] = {
    "int by default": int,
    "float by default": float,
    "dict by default": dict,
    "floats by default": partial(defaultdict, float),
}
# On which no answer and no lesson depends, and what stands in their place.
_LEFT_OUT: dict[str, Any] = {"leaf_model": None, "_norm_dist": statistics.NormalDist()}
_CHOSEN = "_update_estimator"  # a method of the same object, for targets of one number


class Unwritable(ValueError):
    """Something that is not written down here, or is no such writing."""


def written(learner: Any) -> list[Any]:
    """A tree or forest of river as lists of plain values; it comes first in the list."""
    return _Writer().table(learner)


def read_back(table: Any) -> Any:
    """The learner of :func:`written`.

    Raises :class:`Unwritable`, TypeError, LookupError, AttributeError or struct.error.
    """
    if not isinstance(table, list) or not 0 < len(table) <= MOST_OBJECTS:
        raise Unwritable("it is no table of objects")
    return _Reader(table).first()


class _Writer:
    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._met: list[Any] = []

    def table(self, learner: Any) -> list[Any]:
        self._told(learner)
        table: list[Any] = []
        while len(table) < len(self._met):  # which grows meanwhile
            table.append(self._entry(self._met[len(table)]))
        return table

    def _told(self, value: Any) -> Any:
        """A plain value as it is, anything else as ``[its number]``."""
        if type(value) in _PLAIN:
            return value
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._met)
            self._met.append(value)
        return [self._numbers[id(value)]]

    def _entry(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind in (Mean, Var, Gaussian, Slot):
            return [kind.__name__, *_numbers_of(value)]
        if kind in (list, tuple, set):
            return [kind.__name__, *map(self._told, value)]
        if kind is dict:
            return ["dict", *self._pairs(value)]
        if kind is defaultdict:
            return [_factory_name(value.default_factory), *self._pairs(value)]
        if kind is random.Random:
            version, words, gauss = value.getstate()
            return ["random", version, list(words), gauss]
        if kind is AdaptiveWindowing:
            return ["adwin", list(value.__getnewargs__()), value.__getstate__()]
        if _CLASSES.get(kind.__name__) != kind.__module__:
            raise Unwritable(f"{kind.__module__}.{kind.__qualname__} is not written down")
        fields = {k: v for k, v in vars(value).items() if k not in _LEFT_OUT and k != _CHOSEN}
        return [kind.__name__, *self._pairs(fields)]

    def _pairs(self, value: Any) -> list[Any]:
        """Keys and values in turn; keys are plain."""
        if not all(type(key) in _PLAIN for key in value):
            raise Unwritable("a key is no plain value")
        return [one for key, held in value.items() for one in (key, self._told(held))]


class _Reader:
    """Makes every object first, then fills them: some hold each other."""

    def __init__(self, table: list[Any]) -> None:
        self._table = table
        self._made = [self._empty(*entry) for entry in table]

    def first(self) -> Any:
        for made, entry in zip(self._made, self._table, strict=True):
            self._fill(made, *entry)
        return self._made[0]

    def _empty(self, kind: str, *held: Any) -> Any:
        if kind in ("list", "set", "dict"):
            return {"list": list, "set": set, "dict": dict}[kind]()
        if kind == "tuple":
            if not all(type(one) in _PLAIN for one in held):
                raise Unwritable("a tuple holds more than plain values")
            return held
        if kind in _FACTORIES:
            return defaultdict(_FACTORIES[kind])
        if kind == "random":
            made = random.Random(0)
            version, words, gauss = held
            made.setstate((version, tuple(words), gauss))
            return made
        if kind == "adwin":
            return _adwin(*held)
        if kind in _NUMBERS:
            return _NUMBERS[kind](*held)
        if kind not in _CLASSES:
            raise Unwritable(f"{kind!r} is no class that is read here")
        cls = load(f"{_CLASSES[kind]}:{kind}")
        return cls.__new__(cls)

    def _fill(self, made: Any, kind: str, *held: Any) -> None:
        if kind == "list":
            made.extend(self._value(one) for one in held)
        elif kind == "set":
            made.update(self._value(one) for one in held)
        elif kind == "dict" or kind in _FACTORIES:
            made.update(self._pairs(held))
        elif kind in _CLASSES:
            vars(made).update(_LEFT_OUT | _named(self._pairs(held)))
            if kind == "NominalSplitterReg":
                setattr(made, _CHOSEN, made._update_estimator_univariate)

    def _value(self, told: Any) -> Any:
        if not isinstance(told, list):
            return told
        (number,) = told
        if type(number) is not int or number < 0:
            raise Unwritable(f"{number!r} is no number of an object")
        return self._made[number]

    def _pairs(self, held: Any) -> dict[Any, Any]:
        return {k: self._value(v) for k, v in zip(held[::2], held[1::2], strict=True)}


def _numbers_of(value: Any) -> tuple[Any, ...]:
    """The numbers that a running mean, variance, normal or slot of a splitter is."""
    if type(value) is Mean:
        return value.n, value._mean
    if type(value) is Var:
        return value.ddof, value.mean.n, value.mean._mean, value._S
    if type(value) is Gaussian:
        return _numbers_of(value._var)
    return *_numbers_of(value.x_stats), *_numbers_of(value.y_stats)


def _mean(n: float, mean: float) -> Mean:
    made = Mean.__new__(Mean)
    made.n, made._mean = float(n), float(mean)
    return made


def _var(ddof: int, n: float, mean: float, squares: float) -> Var:
    made = Var.__new__(Var)
    made.ddof, made.mean, made._S = int(ddof), _mean(n, mean), float(squares)
    return made


def _gaussian(*var: Any) -> Gaussian:
    made = Gaussian.__new__(Gaussian)
    made.seed, made._rng, made._var = None, _UNUSED, _var(*var)
    return made


def _slot(n: float, mean: float, *var: Any) -> Slot:
    made = Slot.__new__(Slot)
    made.x_stats, made.y_stats, made.is_single_target = _mean(n, mean), _var(*var), True
    setattr(made, _CHOSEN, made._update_estimator_univariate)
    return made


_NUMBERS: dict[str, Any] = {"Mean": _mean, "Var": _var, "Gaussian": _gaussian, "Slot": _slot}
_UNUSED = random.Random(0)  # of distributions that nobody draws from


def _named(fields: dict[Any, Any]) -> dict[str, Any]:
    for name in fields:
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
            raise Unwritable(f"{name!r} is no field of an object")
    return fields


def _factory_name(factory: Any) -> str:
    for name, known in _FACTORIES.items():
        if factory is known:
            return name
    if isinstance(factory, partial) and factory.func is defaultdict and factory.args == (float,):
        return "floats by default"
    raise Unwritable(f"{factory} makes what is not written down")


_HEAD, _BUCKET, _TAIL = 92, 128, 28  # bytes of a window: counts, then buckets, then counts


def _adwin(arguments: Any, data: Any) -> Any:
    """River's adaptive window of its bytes, once they are what a window of six sums has."""
    _, _, most, _, _ = arguments
    buckets = struct.unpack_from("<Q", data, _HEAD - 8)[0]
    if most != 5 or not 0 < buckets < 64 or len(data) != _HEAD + _BUCKET * buckets + _TAIL:
        raise Unwritable("an adaptive window has another size than its buckets")
    for at in range(_HEAD, len(data) - _TAIL, _BUCKET):
        room, used, sums, *means, squares = struct.unpack_from("<3Q6dQ", data, at)
        deviations = struct.unpack_from("<6d", data, at + 80)
        if (room, sums, squares) != (5, 6, 6) or used > 5:
            raise Unwritable("a bucket of an adaptive window has another size")
        if not all(math.isfinite(one) for one in (*means, *deviations)):
            raise Unwritable("a bucket of an adaptive window holds what is no number")
    made = AdaptiveWindowing.__new__(AdaptiveWindowing, *arguments)
    made.__setstate__(data)
    if made.__getstate__() != data:
        raise Unwritable("an adaptive window holds what is no count")
    return made
