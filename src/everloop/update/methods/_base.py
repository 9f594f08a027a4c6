"""What a method of updating promises.

A method turns a champion and labelled rows into the model that is to replace it, or names a stored
version that should. It holds no state, may run in any process, any number of times, and always
makes the same of the same rows, champion and seed: a step that is repeated after a crash, and
``everloop reproduce``, count on it.

It never judges what it made. Held-out rows, gates, approval, rollout and promotion are the same
for every method, and a method gets no rows that judge: ``rows`` are the training rows of the
cycle's snapshot. One that is ``again_on_all`` is called once more for ``train.refit = "all"``, with
all rows and the champion as it is served: what comes of that is served, and judged by nothing.
What it keeps so that the model can go on learning (``Made.state``) is text, safetensors, plain
arrays or JSON, never a pickle; it is signed and stored with the version.

``sound`` is asked before anything is made: by ``everloop check`` with the algorithms that may
become champion, by the decision with the champion itself. It answers from values alone, quickly.
Importing a method's module stays cheap: heavy libraries are loaded when it makes something.

To add one, write a class in a file of its own and register it::

    @update_methods.register("my_method")
    class MyMethod(Method):
        def make(self, rows, champion, around): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Schema, Task
from everloop.evaluate.answers import Answers
from everloop.train.fitting import Report, silent
from everloop.train.spec import TrainSpec

if TYPE_CHECKING:
    from everloop.train.fit import Fitted
    from everloop.update.methods.rows import TrainingRows


class Choice(msgspec.Struct, frozen=True):
    """How a cycle makes its model: ``cause["method"]``.

    Attributes
    ----------
    name : of a registered method. window, search : as in ``[update]``.
    base : the version that was champion then, from which the model is made. model : whose version
        that is; empty for the loop's own.
    version : the stored version that is proposed, where it was chosen already.
    why : one sentence.
    """

    name: str = "retrain"
    window: str = "all"
    search: str = "keep"
    base: int | None = None
    version: int | None = None
    why: str = ""
    model: str = ""


@dataclass(frozen=True)
class About:
    """What :meth:`Method.sound` looks at.

    Attributes
    ----------
    task, algorithm : of the champion. loop : whose cycle asks.
    choice : what is asked for.
    metric : that versions are judged by; empty where it is not known yet.
    timed, identified : whether rows have ``data.time``, ``data.id``.
    stays : whether the rows stay where they are, and a sample of them is kept.
    files : names in the champion's package, its kept state among them; None before there is one.
    """

    task: Task
    algorithm: str
    choice: Choice = Choice()  # noqa: RUF009 - frozen
    metric: str = ""
    timed: bool = True
    identified: bool = True
    stays: bool = False
    files: frozenset[str] | None = None
    loop: str = ""


@dataclass(frozen=True)
class Champion:
    """The version that is updated, or another stored one.

    Attributes
    ----------
    version, algorithm : of the registry.
    params : that a search found for it; None where they were the defaults.
    folder : where its model and what that goes on from lie, in its unpacked package, whose
        signature was checked. Of a version that serves another model than was tested, the tested
        one's, but where a method makes what is served.
    schema : that it was trained with.
    until : event time (ms) of the newest row that it was trained or tested on.
    served : whether it was champion once.
    """

    version: int
    algorithm: str
    params: dict[str, Any] | None
    folder: Path
    schema: Schema
    until: int
    served: bool = True


class Seen(Protocol):
    """What versions answer to the training rows of a snapshot."""

    def unseen(self) -> NDArray[np.bool_]:
        """Which training rows the champion has not seen, in training or at its test."""
        ...

    def tested(self) -> NDArray[np.bool_]:
        """Which training rows the champion was tested on: they judge what it has forgotten."""
        ...

    def answers(self) -> Answers:
        """The champion's to those rows, in the classes of the rows' schema."""
        ...

    def others(self) -> Iterator[tuple[Champion, Answers, NDArray[np.bool_]]]:
        """Each stored version that is asked about them, its answers, and which of them it had
        not seen either; newest first, those that served before those that did not."""
        ...


@dataclass(frozen=True)
class Around:
    """What surrounds the making of one model.

    Attributes
    ----------
    choice : what is asked for.
    spec : ``[train]``; already narrowed to the champion's algorithm where that is to be kept.
    keep : parameters to use as they are, without a search; None where they are to be found.
    report : as :func:`everloop.train.fit.fit_candidates` calls it.
    first : parameters that a search tries first.
    since : event time (ms) from which the window's rows are, as the snapshot found it.
    seen : what versions answer to the training rows, asked when it is needed.
    forget : ``update.forget``: how much of the metric may be lost on old rows.
    way : in which to learn, where the method has several; empty where it is to choose.
    parent_rows : reads the rows that trained the version it starts from, in that one's schema.
    study : the file of a search, which goes on from what is in it.
    checkpoints : a folder where a long fit keeps its state and finds it after a crash.
    """

    choice: Choice
    spec: TrainSpec
    report: Report = silent
    keep: dict[str, Any] | None = None
    first: dict[str, Any] | None = None
    since: int | None = None
    seen: Seen | None = None
    forget: float = 0.01
    way: str = ""
    parent_rows: Callable[[], tuple[np.ndarray, np.ndarray] | None] | None = None
    study: Path | None = None
    checkpoints: Path | None = None


@dataclass(frozen=True)
class Made:
    """What a method made.

    Attributes
    ----------
    fitted : what was tried, best first; the first is the model. Its ``estimator`` is a pipeline
        over ``X`` that :func:`everloop.train.onnx.to_onnx` exports; None where ``onnx`` is given.
        Empty where a stored version is proposed, or nothing.
    onnx : the model's bytes, from a method that works on the graph itself.
    state : files that the version keeps so that it can go on learning, by name.
    notes : sentences for people about what was done and what could not be.
    facts : plain JSON for the step's result.
    way : in which it learned, where the method has several.
    proposes : the stored version that should serve.
    nothing : why there is nothing to propose; ends the cycle as not worth it.
    descends : the model holds something of the version that it starts from, its parent then.
    on_all : the estimator may be fitted again on rows that stay where they are, in passes.
    """

    fitted: list[Fitted] = field(default_factory=list)
    onnx: bytes | None = None
    state: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    way: str = ""
    proposes: int | None = None
    nothing: str = ""
    descends: bool = False
    on_all: bool = False


class Method:
    """Base class; see the obligations at the top of this file.

    Attributes
    ----------
    makes : it makes a model; else it proposes a stored version.
    fits : it fits by ``update.window`` and ``update.search``.
    needs_champion : it makes its model from another one.
    keeps_schema : its model reads rows as the champion does: the snapshot takes the champion's
        schema, and refuses classes that it does not know.
    learns_new : it learns from rows that the champion has not seen: of these, the snapshot holds
        out the later half, and leaves it the other.
    goes_on : it changes what the champion has learned, so that it may forget: the model is judged
        on the rows that tested the champion too.
    again_on_all : what it makes can be made once more, from the champion as it is served and with
        the rows that tested the model among its own, by the same ``way``.
    or_retrain : where it is not sound for a champion, a new fit takes its place, and says why.
    """

    makes: ClassVar[bool] = True
    fits: ClassVar[bool] = False
    needs_champion: ClassVar[bool] = True
    keeps_schema: ClassVar[bool] = False
    learns_new: ClassVar[bool] = False
    goes_on: ClassVar[bool] = False
    again_on_all: ClassVar[bool] = False
    or_retrain: ClassVar[bool] = False

    def sound(self, about: About) -> str | None:
        """None where the method is sound, else a sentence that says why not."""
        return None

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        """The model, from the training rows of the snapshot.

        ``champion`` is None only before there is one, and then only for methods that need none.
        Raises :class:`~everloop.errors.InvalidInput` when these rows cannot make one.
        """
        raise NotImplementedError
