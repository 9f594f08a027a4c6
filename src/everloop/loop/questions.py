"""Questions that take a while, about a version or an alert, and the process that answers them.

The control plane holds no model runtime, and an answer may take seconds and much memory: each
question is asked in a process of its own, which ends with it, or when its time is up.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from everloop.errors import Unavailable
from everloop.loop.executors._process import revived
from everloop.loop.project import Project
from everloop.memory import frugal_environment

SECONDS = 120.0
T = TypeVar("T")
Kind = Literal["explain", "dependence", "importance", "counterfactual", "fairness", "cause"]


class Question(msgspec.Struct, frozen=True):
    """What is asked of a version, or of the loop ``model`` when it is the cause of an ``alert``.

    ``rows`` are those to explain, or the one to change; ``feature`` is that of a dependence,
    ``to`` and ``fixed`` belong to a counterfactual, and ``columns`` are those of groups.
    """

    kind: Kind
    model: str
    version: int = 0
    rows: list[dict[str, Any]] = []
    feature: str = ""
    to: Any = None
    fixed: list[str] = []
    columns: list[str] = []
    alert: str = ""

    def took_too_long(self, seconds: float) -> Unavailable:
        """What is said when the time is up."""
        about, fix = f"version {self.version} of {self.model}", "Ask for fewer rows, or ask"
        by = "explain"
        if self.kind == "cause":
            about, fix, by = f"alert {self.alert[:8]}", "Ask", f"monitor why {self.alert[:8]}"
        return Unavailable(
            f"{self.kind}: {about} took longer than {seconds:.0f} seconds to answer.",
            code="took_too_long",
            fix=f"{fix} on the machine itself, where no time is set: everloop {by}.",
        )


def answer(project: Project, asked: Question) -> Any:
    """The answer, found in this process. Raises as the functions it calls."""
    import_module = importlib.import_module  # each question imports only what it needs
    if asked.kind == "cause":
        declaration = project.cycles.declaration(asked.model)
        causes = import_module("everloop.loop.causes")
        return causes.why(project, declaration, asked.alert, again=True)
    polars, explaining = import_module("polars"), import_module("everloop.loop.explaining")
    version = project.registry.version(asked.model, asked.version)
    if asked.kind == "dependence":
        return explaining.dependence_of(project, asked.feature, version)
    if asked.kind == "importance":
        declaration = project.cycles.declaration(asked.model)
        return explaining.importance_of(project, version, declaration)
    if asked.kind == "fairness":
        mitigating = import_module("everloop.loop.mitigating")
        seed = project.cycles.declaration(asked.model).loop.seed
        return mitigating.mitigate(project, version, asked.columns, seed)
    frame = polars.DataFrame(asked.rows, infer_schema_length=None)
    if asked.kind == "counterfactual":
        return explaining.counterfactual_of(project, frame, version, asked.to, asked.fixed)
    return explaining.explain_frame(project, frame, version)


def ask(folder: Path, question: Question, kind: type[T], seconds: float = SECONDS) -> T:
    """The answer of a process of its own, as ``kind``.

    Raises what :func:`answer` raises there, and :class:`~everloop.errors.Unavailable` when it took
    longer than ``seconds`` or died.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "everloop.loop.asked", "--dir", str(folder)],
            input=msgspec.json.encode(question),
            capture_output=True,
            timeout=seconds,
            env=frugal_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise question.took_too_long(seconds) from None
    if not done.stdout:
        raise Unavailable(
            f"{question.kind}: the process that answers it ended with {done.returncode}."
        )
    said: dict[str, Any] = msgspec.json.decode(done.stdout)
    if "error" in said:
        raise revived(said["error"])
    return msgspec.convert(said["answer"], kind)
