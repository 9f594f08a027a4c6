"""What a method of updating promises.

A method turns a champion and labelled rows into the model that is to replace it, or names a stored
version that should. It holds no state, may run in any process, any number of times, and always
makes the same of the same rows, champion and seed: a step that is repeated after a crash, and
``everloop reproduce``, count on it.

It never judges what it made. Held-out rows, gates, approval, rollout and promotion are the same
for every method, and a method gets no rows that judge: ``rows`` are the training rows of the
cycle's snapshot. What it keeps so that the model can go on learning (``Made.state``) is text,
safetensors, plain arrays or JSON, never a pickle; it is signed and stored with the version.

``sound`` is asked before anything is made: by ``everloop check`` with the algorithms that may
become champion, by the decision with the champion itself. It answers from values alone, quickly.
Importing a method's module stays cheap: heavy libraries are loaded when it makes something.

To add one, write a class in a file of its own and register it::

    @update_methods.register("my_method")
    class MyMethod(Method):
        def make(self, rows, champion, around): ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from everloop.data.schema import Schema, Task
from everloop.train.spec import TrainSpec

if TYPE_CHECKING:
    from everloop.train.fit import Fitted
    from everloop.train.fitting import Report
    from everloop.update.methods.rows import TrainingRows


class Choice(msgspec.Struct, frozen=True):
    """How a cycle makes its model: ``cause["method"]``.

    Attributes
    ----------
    name : of a registered method. window, search : as in ``[update]``.
    base : the version that the model is made from, or that is proposed; None for a new fit.
    why : one sentence.
    """

    name: str = "retrain"
    window: str = "all"
    search: str = "keep"
    base: int | None = None
    why: str = ""


@dataclass(frozen=True)
class About:
    """What :meth:`Method.sound` looks at.

    Attributes
    ----------
    task, algorithm : of the champion.
    choice : what is asked for.
    timed, identified : whether rows have ``data.time``, ``data.id``.
    files : names in the champion's package, its kept state among them; None before there is one.
    """

    task: Task
    algorithm: str
    choice: Choice = Choice()  # noqa: RUF009 - frozen
    timed: bool = True
    identified: bool = True
    files: frozenset[str] | None = None


@dataclass(frozen=True)
class Champion:
    """The version that is updated.

    Attributes
    ----------
    version, algorithm : of the registry.
    params : that a search found for it; None where they were the defaults.
    folder : its unpacked package, whose signature was checked.
    schema : that it was trained with.
    until : event time (ms) of the newest row that it was trained or tested on.
    """

    version: int
    algorithm: str
    params: dict[str, Any] | None
    folder: Path
    schema: Schema
    until: int


@dataclass(frozen=True)
class Around:
    """What surrounds the making of one model.

    Attributes
    ----------
    choice : what is asked for.
    spec : ``[train]``; already narrowed to the champion's algorithm where that is to be kept.
    keep : parameters to use as they are, without a search; None where they are to be found.
    report : as :func:`everloop.train.fit.fit_candidates` calls it.
    study : the file of a search, which goes on from what is in it.
    checkpoints : a folder where a long fit keeps its state and finds it after a crash.
    """

    choice: Choice
    spec: TrainSpec
    report: Report
    keep: dict[str, Any] | None = None
    study: Path | None = None
    checkpoints: Path | None = None


@dataclass(frozen=True)
class Made:
    """What a method made.

    Attributes
    ----------
    fitted : what was tried, best first; the first is the model. Its ``estimator`` is a pipeline
        over ``X`` that :func:`everloop.train.onnx.to_onnx` exports; None where ``onnx`` is given.
    onnx : the model's bytes, from a method that works on the graph itself.
    state : files that the version keeps so that it can go on learning, by name.
    notes : sentences for people about what was done and what could not be.
    facts : plain JSON for the step's result.
    on_all : the estimator may be fitted again on rows that stay where they are, in passes.
    """

    fitted: list[Fitted]
    onnx: bytes | None = None
    state: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    on_all: bool = False


class Method:
    """Base class; see the obligations at the top of this file.

    Attributes
    ----------
    proposes : it makes nothing: ``choice.base`` is the version that should serve.
    needs_champion : it makes its model from another one.
    """

    proposes: ClassVar[bool] = False
    needs_champion: ClassVar[bool] = True

    def sound(self, about: About) -> str | None:
        """None where the method is sound, else a sentence that says why not."""
        return None

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        """The model, from the training rows of the snapshot.

        ``champion`` is None only before there is one, and then only for methods that need none.
        Raises :class:`~everloop.errors.InvalidInput` when these rows cannot make one.
        """
        raise NotImplementedError
