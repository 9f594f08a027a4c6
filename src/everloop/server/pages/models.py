"""Pages of registered models and their versions."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.responses import Response

from everloop.console.models import ModelPage, ModelsPage, read_model_page, read_models_page
from everloop.console.version import AnswerPage, VersionPage, read_version
from everloop.deploy.attribution import Explanation
from everloop.errors import InvalidInput, invalid
from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.server.api import explanations
from everloop.server.call import Call
from everloop.server.pages._base import shown
from everloop.store.clock import now_ms


def models(call: Call) -> Response:
    """The table of models."""
    filter = call.query.get("filter", "")
    try:
        page, error = models_json(call), None
    except InvalidInput as refused:
        page, error = ModelsPage(now_ms(), filter, [], None), refused
    return shown("models.html", page, error)


def models_json(call: Call) -> ModelsPage:
    query = call.query
    return read_models_page(call.project, query.get("filter", ""), query.get("after", ""))


def model(call: Call) -> Response:
    return shown("model.html", model_json(call))


def model_json(call: Call) -> ModelPage:
    return read_model_page(call.project, call.path["model"], call.before())


def version(call: Call) -> Response:
    return shown("version.html", version_json(call))


def version_json(call: Call) -> VersionPage:
    return read_version(call.project, call.path["model"], call.number("version"))


def answer(call: Call) -> Response:
    return shown("answer.html", answer_json(call))


def answer_json(call: Call) -> AnswerPage:
    """One question of the version's page, by what the query names."""
    query = call.query
    version = call.project.registry.version(call.path["model"], call.number("version"))
    page = AnswerPage(now_ms(), version, dict(query))
    if "feature" in query:
        return replace(page, dependence=explanations.dependence(call))
    if "by" in query:
        return replace(page, fairness=explanations.fairness(call))
    row = _row(query.get("row", ""))
    page = replace(page, asked={"row": row})
    if query.get("do") == "change":
        found = explanations.asked(call, "counterfactual", Counterfactual, rows=[row])
        return replace(page, change=found)
    (one,) = explanations.asked(call, "explain", list[Explanation], rows=[row])
    order = sorted(one.contributions.items(), key=lambda pair: -abs(pair[1]))
    return replace(page, explanation={**msgspec.structs.asdict(one), "contributions": order})


def _row(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(text.encode(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise invalid("query.row", text, f"a JSON object ({error})", path="query.row") from None
    return found
