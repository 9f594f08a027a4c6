"""Why a version answers as it does, and how it treats groups; each asked in its own process."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from everloop.deploy.attribution import Explanation
from everloop.errors import invalid
from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.explain.importance import Importance
from everloop.evaluate.fairness.mitigation import Mitigated
from everloop.loop.questions import Kind, Question, ask
from everloop.server.call import Call

T = TypeVar("T")


class ExplainBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to explain, at most 200."""

    rows: list[dict[str, Any]]


class ChangeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row, the class or the number that it should be answered with (of two classes, the other
    one unless given), and the features that must stay."""

    row: dict[str, Any]
    to: str | float | bool | None = None
    fixed: list[str] = []


class Explained(msgspec.Struct, frozen=True):
    """An explanation for each row, in their order."""

    version: int
    explanations: list[Explanation]


class Important(msgspec.Struct, frozen=True):
    """Every feature, the one whose loss hurts most first."""

    version: int
    importances: list[Importance]


def explain(call: Call) -> Explained:
    if not call.body.rows:
        raise invalid("rows", [], "one row or more to explain", path="$.rows")
    found = asked(call, "explain", list[Explanation], rows=call.body.rows)
    return Explained(call.number("version"), found)


def importance(call: Call) -> Important:
    return Important(call.number("version"), asked(call, "importance", list[Importance]))


def dependence(call: Call) -> Dependence:
    return asked(call, "dependence", Dependence, feature=_named(call, "feature"))


def counterfactual(call: Call) -> Counterfactual:
    body = call.body
    more = {"rows": [body.row], "to": body.to, "fixed": body.fixed}
    return asked(call, "counterfactual", Counterfactual, **more)


def fairness(call: Call) -> Mitigated:
    columns = [part.strip() for part in _named(call, "by").split(",") if part.strip()]
    return asked(call, "fairness", Mitigated, columns=columns)


def asked(call: Call, kind: Kind, answer: type[T], **more: Any) -> T:
    """A question about the version in the path; one that is not there needs no process."""
    model, number = call.path["model"], call.number("version")
    call.project.registry.version(model, number).package_digest()
    return ask(call.project.dir, Question(kind, model, number, **more), answer)


def _named(call: Call, name: str) -> str:
    value = call.query.get(name, "")
    if not value:
        raise invalid(f"query.{name}", "<nothing>", "a column of the data", code="missing_key")
    return value
