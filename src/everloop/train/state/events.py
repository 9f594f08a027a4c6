"""River's learners: they go on with the new events, one by one."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import numpy as np
from river.__version__ import __version__

from everloop.errors import EverloopError, invalid
from everloop.train.loading import load
from everloop.train.state._base import About, Learner, Lesson

FILE = "learner.msgpack"
BROKEN = (AttributeError, ArithmeticError, RecursionError, struct.error)
ONLINE = "everloop.train.online."
MODELS: dict[str, tuple[str, str]] = {
    # of classes, of numbers
    "online_logistic_regression": ("linear:OnlineLogistic", ""),
    "online_linear_regression": ("", "linear:OnlineLinear"),
    "online_naive_bayes": ("bayes:OnlineBayes", ""),
    "hoeffding_tree": ("trees:HoeffdingTree", "trees:HoeffdingTreeNumbers"),
    "hoeffding_adaptive_tree": (
        "trees:HoeffdingAdaptiveTree",
        "trees:HoeffdingAdaptiveTreeNumbers",
    ),
    "adaptive_random_forest": ("trees:AdaptiveForest", "trees:AdaptiveForestNumbers"),
}


class Kept(msgspec.Struct, frozen=True):
    """The file.

    Attributes
    ----------
    river : the version whose learner this is, as ``major.minor``: others hold other fields.
    arguments : that the model was made with. events : that it has learned.
    state : see :class:`~everloop.train.online._base.Online`.
    """

    river: str
    arguments: dict[str, int | float | list[int]]
    events: int
    state: Any


class EventsLearner(Learner):
    """One step an event, in the order of the lesson; what it forgets is for the model to say.

    No old row is replayed: it would be an event that did not happen.
    """

    ways: ClassVar[tuple[str, ...]] = ("event by event",)
    replays = False

    def saved(self, model: Any) -> dict[str, bytes]:
        arguments = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in model.get_params().items()
        }
        try:
            kept = Kept(_version(), arguments, model.events_, model.state())
            return {FILE: msgspec.msgpack.encode(kept)}
        except (ValueError, ArithmeticError) as error:
            raise EverloopError(f"river's learner holds what is not written: {error}") from error

    def loaded(self, files: Mapping[str, bytes], about: About) -> Any:
        try:
            kept = msgspec.msgpack.decode(files[FILE], type=Kept)
            if kept.river != _version():
                here = f"river {_version()} is here, whose learners hold other fields"
                raise ValueError(f"river {kept.river} wrote it, and {here}: retrain")
            arguments = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in kept.arguments.items()
            }
            model = load(ONLINE + MODELS[about.algorithm][not about.codes])(**arguments)
            return model.resumed(about.codes, about.width, kept.events, kept.state)
        except BROKEN as error:
            raise ValueError(f"it is no learner ({error})") from error

    def learn(self, model: Any, way: str, lesson: Lesson, about: About) -> Any:
        strange = np.setdiff1d(lesson.y, about.codes) if about.codes else np.empty(0)
        if len(strange):
            raise invalid("rows", int(strange[0]), f"one of its classes {about.codes}")
        try:
            made = self.loaded(self.saved(model), about)
            return made.partial_fit(lesson.X, np.asarray(lesson.y))
        except (*BROKEN, LookupError, TypeError, ValueError) as error:
            raise EverloopError(f"The kept learner cannot learn on: {error}.") from error


def _version() -> str:
    return ".".join(__version__.split(".")[:2])
