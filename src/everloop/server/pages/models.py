"""Pages of registered models and their versions."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec.structs import replace
from starlette.responses import RedirectResponse, Response

from everloop.console.models.beside import VersionsCompared, compare_versions, two_of
from everloop.console.models.listed import ModelPage, ModelsPage, read_model_page, read_models_page
from everloop.console.models.version import (
    AnswerPage,
    LineagePage,
    VersionPage,
    read_lineage,
    read_version,
)
from everloop.deploy.attribution import Explanation
from everloop.errors import InvalidInput, invalid
from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.server.api import explanations
from everloop.server.call import Call
from everloop.server.pages._base import shown, whole, word_of
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
    hooks = "admin" in call.permissions
    return read_model_page(call.project, call.path["model"], call.before(), hooks=hooks)


def change_model(call: Call) -> Response:
    """The forms of a model's page: its description, a tag, an alias; then the page again."""
    word, name = word_of(call.body, _OfModel), call.path["model"]
    registry = call.project.registry
    registry.get_model(name)
    if word.do == "describe":
        registry.update_model(name, description=word.description or None, actor=call.actor)
    elif word.do == "tag":
        registry.set_model_tag(name, word.key, word.value, call.actor)
    elif word.do == "untag":
        registry.delete_model_tag(name, word.key, call.actor)
    elif word.do == "alias":
        registry.set_alias(name, word.alias, whole("version", word.version), actor=call.actor)
    else:
        registry.delete_alias(name, word.alias, actor=call.actor)
    return RedirectResponse(f"/models/{quote(name, safe='')}", 303)


def change_version(call: Call) -> Response:
    """The forms of a version's page: its description or a tag; then the page again."""
    word, name, number = word_of(call.body, _OfVersion), call.path["model"], call.number("version")
    registry = call.project.registry
    if word.do == "describe":
        text = word.description or None
        registry.update_version(name, number, description=text, actor=call.actor)
    elif word.do == "tag":
        registry.set_version_tag(name, number, word.key, word.value, call.actor)
    else:
        registry.delete_version_tag(name, number, word.key, call.actor)
    return RedirectResponse(f"/models/{quote(name, safe='')}/versions/{number}", 303)


def compare(call: Call) -> Response:
    """Two versions; two fields of a form lead to the address that names both."""
    query = call.query
    if "before" in query and "after" in query:
        both = quote(f"{query['before']},{query['after']}", safe=",")
        name = quote(call.path["model"], safe="")
        return RedirectResponse(f"/models/{name}/compare?versions={both}", 303)
    return shown("compare_versions.html", compare_json(call))


def compare_json(call: Call) -> VersionsCompared:
    before, after = two_of(call.query.get("versions", ""))
    return compare_versions(call.project, call.path["model"], before, after)


def lineage(call: Call) -> Response:
    return shown("lineage.html", lineage_json(call))


def lineage_json(call: Call) -> LineagePage:
    return read_lineage(call.project, call.path["model"], call.number("version"))


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


class _OfVersion(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["describe", "tag", "untag"]
    description: str = ""
    key: str = ""
    value: str = ""


class _OfModel(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["describe", "tag", "untag", "alias", "unalias"]
    description: str = ""
    key: str = ""
    value: str = ""
    alias: str = ""
    version: str = ""
