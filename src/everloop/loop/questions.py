"""Questions about a version that its model has to answer, and the process that asks it.

The control plane holds no model runtime, and an answer may take seconds: each question is asked in
a process of its own, which ends with it, or when its time is up.
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
Kind = Literal["explain", "dependence", "importance", "counterfactual", "fairness"]


class Question(msgspec.Struct, frozen=True):
    """What is asked of a version.

    ``rows`` are those to explain, or the one to change; ``feature`` is that of a dependence,
    ``to`` and ``fixed`` belong to a counterfactual, and ``columns`` are those of groups.
    """

    kind: Kind
    model: str
    version: int
    rows: list[dict[str, Any]] = []
    feature: str = ""
    to: Any = None
    fixed: list[str] = []
    columns: list[str] = []


def answer(project: Project, asked: Question) -> Any:
    """The answer, found in this process. Raises as the functions it calls."""
    import_module = importlib.import_module  # each question imports only what it needs
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
        raise Unavailable(
            f"{question.kind}: version {question.version} of {question.model} took longer than "
            f"{seconds:.0f} seconds to answer.", code="took_too_long",
            fix="Ask for fewer rows, or ask on the machine itself: everloop explain.",
        ) from None  # fmt: skip
    if not done.stdout:
        raise Unavailable(
            f"{question.kind}: the process that asks the model ended with {done.returncode}."
        )
    said: dict[str, Any] = msgspec.json.decode(done.stdout)
    if "error" in said:
        raise revived(said["error"])
    return msgspec.convert(said["answer"], kind)
