"""Every extension point of everloop, on one page; the built-ins go through it too.

A registry maps a plain name to a class (or an instance). Built-ins register where they are
defined; a package of yours does the same, and is found through the entry point group
``everloop.extensions`` (a module to import)::

    from everloop.extensions import candidates

    @candidates.register("my_forest")
    class MyForest(Candidate): ...
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from everloop.errors import not_one_of

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of thing. ``builtin`` is the package whose import registers ours."""

    def __init__(self, kind: str, builtin: str) -> None:
        self.kind = kind
        self._builtin = builtin
        self._items: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: make ``name`` stand for the decorated class."""

        def add(item: T) -> T:
            self._items[name] = item
            return item

        return add

    def get(self, name: str, field: str = "") -> T:
        """The thing called ``name``.

        Raises :class:`~everloop.errors.InvalidInput` with the nearest valid name.
        """
        self._load()
        if name not in self._items:
            raise not_one_of(field or self.kind, name, sorted(self._items), code="unknown_name")
        return self._items[name]

    def names(self) -> list[str]:
        self._load()
        return sorted(self._items)

    def __iter__(self) -> Iterator[tuple[str, T]]:
        self._load()
        return iter(sorted(self._items.items()))

    def _load(self) -> None:
        if not self._loaded:
            # Another thread may be at it: the import waits for it, and only then all are there.
            importlib.import_module(self._builtin)
            for point in _installed():
                point.load()
            self._loaded = True


@lru_cache
def _installed() -> tuple[EntryPoint, ...]:
    """What other packages offer; looking through all of them takes its time."""
    return tuple(entry_points(group="everloop.extensions"))


candidates: Registry[Any] = Registry("candidate", "everloop.train.candidates")
samplers: Registry[Any] = Registry("sampler", "everloop.train.search.samplers")
pruners: Registry[Any] = Registry("pruner", "everloop.train.search.pruners")
trial_workers: Registry[Any] = Registry("kind of worker", "everloop.train.search.workers")
metrics: Registry[Any] = Registry("metric", "everloop.evaluate.metrics")
gates: Registry[Any] = Registry("gate", "everloop.evaluate.gates")
guards: Registry[Any] = Registry("guard", "everloop.deploy.guards")
drift_tests: Registry[Any] = Registry("drift test", "everloop.monitor.drift")
multivariate_tests: Registry[Any] = Registry("multivariate test", "everloop.monitor.multivariate")
sequential_detectors: Registry[Any] = Registry("sequential detector", "everloop.monitor.sequential")
controls: Registry[Any] = Registry("control of false alarms", "everloop.monitor.controls")
estimators: Registry[Any] = Registry("estimator", "everloop.monitor.estimation.methods")
quality_checks: Registry[Any] = Registry("quality check", "everloop.monitor.quality")
alert_channels: Registry[Any] = Registry("kind of channel", "everloop.monitor.alerting.channels")
triggers: Registry[Any] = Registry("trigger", "everloop.update.triggers")
update_methods: Registry[Any] = Registry("method of updating", "everloop.update.methods")
executors: Registry[Any] = Registry("executor", "everloop.loop.executors")
leak_checks: Registry[Any] = Registry("leakage check", "everloop.data.leaks")
