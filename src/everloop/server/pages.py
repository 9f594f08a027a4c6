"""The console's pages as handlers; each page's twin answers the same values as JSON."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl, quote

import msgspec
from msgspec.structs import replace
from starlette.responses import RedirectResponse, Response

from everloop.console import assets
from everloop.console.alerts import (
    AlertPage,
    AlertsPage,
    RulesPage,
    read_alert_page,
    read_alerts_page,
    read_rules_page,
)
from everloop.console.backtests import BacktestsPage, read_backtests
from everloop.console.cycle import CyclePage, read_cycle
from everloop.console.decision import DecisionPage, read_decision
from everloop.console.endpoint import EndpointPage, read_endpoint
from everloop.console.models import ModelPage, ModelsPage, read_model_page, read_models_page
from everloop.console.operations import OperationsPage, read_operations
from everloop.console.overview import Overview, read_overview
from everloop.console.render import render
from everloop.console.runs import (
    Asked,
    RunPage,
    RunsPage,
    no_runs,
    read_run_page,
    read_runs_page,
)
from everloop.console.version import AnswerPage, VersionPage, read_version
from everloop.console.window import WindowPage, read_window
from everloop.deploy.attribution import Explanation
from everloop.deploy.rollouts import Do, Wish
from everloop.errors import Forbidden, InvalidInput, NotFound, invalid
from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.loop.backtests.places import backtest_of
from everloop.loop.backtests.records import Listed
from everloop.loop.loop import loop_of
from everloop.monitor.profile_report import ProfileReport, Profiles
from everloop.server.api import explanations
from everloop.server.api.alerts import SilenceBody, silenced
from everloop.server.call import Call, Comment
from everloop.server.middleware.tokens import unauthenticated
from everloop.server.plane import traffic
from everloop.server.problems import Problem
from everloop.store.clock import now_ms

HTML = "text/html; charset=utf-8"


def overview(call: Call) -> Response:
    return _page("overview.html", overview_json(call))


def overview_json(call: Call) -> Overview:
    context = call.context
    counts = traffic(context.serve_url, context.token)
    return read_overview(call.project, context.serve_url, counts)


def cycle(call: Call) -> Response:
    return _page("cycle.html", cycle_json(call))


def cycle_json(call: Call) -> CyclePage:
    again = call.query.get("replay", "") not in ("", "0")
    return read_cycle(call.project, call.path["cycle"], again)


def endpoint(call: Call) -> Response:
    return _page("endpoint.html", endpoint_json(call))


def window(call: Call) -> Response:
    return _page("window.html", window_json(call))


def window_json(call: Call) -> WindowPage:
    return read_window(call.project, call.path["endpoint"], call.number("start"))


def profile(call: Call) -> Response:
    return _page("profile.html", profile_json(call))


def profile_json(call: Call) -> ProfileReport:
    profiles = Profiles(call.project.windows, call.project.blobs, call.path["endpoint"])
    until = call.whole("until", None, 0, 2**53)
    return profiles.report(call.number("start"), until, call.query.get("segment"))


def endpoint_json(call: Call) -> EndpointPage:
    context = call.context
    counts = traffic(context.serve_url, context.token)
    return read_endpoint(call.project, call.path["endpoint"], counts)


def steer(call: Call) -> Response:
    """A button of a rollout: a person's word, then its endpoint's page again."""
    word = _word(call.body, _Steering)
    wish = Wish(word.do, call.actor, word.comment)
    found = call.project.rollouts.ask(call.path["rollout"], wish)
    return RedirectResponse(f"/endpoints/{quote(found.endpoint, safe='')}", 303)


def decision(call: Call) -> Response:
    return _page("decision.html", decision_json(call))


def decision_json(call: Call) -> DecisionPage:
    return read_decision(call.project, call.path["cycle"], call.actor, call.permissions)


def decide(call: Call) -> Response:
    """A button of a decision's page: a person's word, then the page again."""
    word = _word(call.body, _Decision)
    found = call.project.cycles.get(call.path["cycle"])
    loop = loop_of(call.project, found.loop)
    if word.do == "comment":
        loop.comment(found.id, word.comment, by=call.actor)
    elif word.do == "rollback":
        if "write" not in call.permissions:
            raise Forbidden("rollback: needs the permission 'write'.")
        loop.roll_back(found.id, by=call.actor, comment=word.comment)
    else:
        approved = word.do == "approve"
        loop.decide(found.id, approved=approved, by=call.actor, comment=word.comment)
    return RedirectResponse(f"/cycles/{found.id}/decision", 303)


def sign_in(call: Call) -> Response:
    """Makes a browser ask for name and token; then leads to the page it came from."""
    to = call.query.get("to", "/")
    if not to.startswith("/") or to.startswith(("//", "/\\")):
        raise invalid("query.to", to, "a path of this server", path="query.to")
    if not call.project.decisions.speaker(call.actor).known:
        raise unauthenticated("Give your name, and your token as the password.")
    return RedirectResponse(to, 303)


def release(call: Call) -> Response:
    """A window's button: a person says that its rows are sound, then its page again."""
    word, endpoint, start = _word(call.body, _Release), call.path["endpoint"], call.number("start")
    call.project.watch.release(endpoint, start, call.actor, word.comment)
    return RedirectResponse(f"/endpoints/{quote(endpoint, safe='')}/windows/{start}", 303)


def pause(call: Call) -> Response:
    """A loop's button: pause or resume, then the overview again."""
    word, loop = _word(call.body, _Pausing), loop_of(call.project, call.path["loop"])
    if word.do == "pause":
        loop.pause(by=call.actor, reason=word.comment)
    else:
        loop.resume(by=call.actor)
    return RedirectResponse("/", 303)


def alerts(call: Call) -> Response:
    return _page("alerts.html", alerts_json(call))


def alerts_json(call: Call) -> AlertsPage:
    return read_alerts_page(call.project, call.query.get("state", ""), call.before_pair())


def alert(call: Call) -> Response:
    return _page("alert.html", alert_json(call))


def alert_json(call: Call) -> AlertPage:
    return read_alert_page(call.project, call.path["alert"])


def hush(call: Call) -> Response:
    """The form of the page of alerts: a silence, or the end of one."""
    word = _word(call.body, _Hush)
    if word.do == "unsilence":
        call.project.alerts.silences.end(word.silence, call.actor)
    else:
        body = SilenceBody(word.duration, word.comment, word.endpoint, word.kind, word.feature)
        silenced(call, body)
    return RedirectResponse("/alerts", 303)


def rules(call: Call) -> Response:
    return _page("rules.html", rules_json(call))


def rules_json(call: Call) -> RulesPage:
    return read_rules_page(call.project)


def try_channel(call: Call) -> Response:
    """The form of the page of rules: a test to a channel, and the page with what came of it."""
    word = _word(call.body, _Trying)
    endpoint = loop_of(call.project, word.loop).endpoint
    outcome = call.project.alerts.test(endpoint, word.channel)
    page = read_rules_page(call.project, (word.loop, word.channel, outcome))
    return _page("rules.html", page)


class _Trying(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["test"]
    loop: str
    channel: str


class _Release(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["release"]
    comment: Comment = ""


class _Pausing(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["pause", "resume"]
    comment: Comment = ""


class _Hush(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["silence", "unsilence"]
    silence: str = ""
    duration: str = "4h"
    comment: Comment = ""
    endpoint: str = "*"
    kind: str = "*"
    feature: str = "*"


class _Steering(msgspec.Struct, forbid_unknown_fields=True):
    do: Do
    comment: Comment = ""


class _Decision(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["approve", "reject", "comment", "rollback"]
    comment: Comment = ""


W = TypeVar("W", _Steering, _Decision, _Hush, _Trying, _Pausing, _Release)


def _word(body: bytes, kind: type[W]) -> W:
    """What a form says."""
    try:
        fields = parse_qsl(body.decode("ascii"), True, True, errors="strict", max_num_fields=10)
        return msgspec.convert(dict(fields), kind)
    except (ValueError, msgspec.ValidationError) as error:
        dos = ", ".join(get_args(get_type_hints(kind)["do"]))
        raise invalid(
            "body", f"<{len(body)} bytes>", f"a form with comment and do, one of {dos} ({error})"
        ) from None


def runs(call: Call) -> Response:
    """The table of runs; a filter that cannot be read is shown with what is wrong in it."""
    try:
        page, error = runs_json(call), None
    except InvalidInput as refused:
        page, error = no_runs(call.project, _asked(call)), refused
    return _page("runs.html", page, error)


def runs_json(call: Call) -> RunsPage:
    return read_runs_page(call.project, _asked(call))


def run(call: Call) -> Response:
    return _page("run.html", run_json(call))


def run_json(call: Call) -> RunPage:
    return read_run_page(call.project, call.path["run"], call.query.get("folder", ""))


def models(call: Call) -> Response:
    """The table of models."""
    filter = call.query.get("filter", "")
    try:
        page, error = models_json(call), None
    except InvalidInput as refused:
        page, error = ModelsPage(now_ms(), filter, [], None), refused
    return _page("models.html", page, error)


def models_json(call: Call) -> ModelsPage:
    query = call.query
    return read_models_page(call.project, query.get("filter", ""), query.get("after", ""))


def model(call: Call) -> Response:
    return _page("model.html", model_json(call))


def model_json(call: Call) -> ModelPage:
    return read_model_page(call.project, call.path["model"], call.before())


def version(call: Call) -> Response:
    return _page("version.html", version_json(call))


def version_json(call: Call) -> VersionPage:
    return read_version(call.project, call.path["model"], call.number("version"))


def answer(call: Call) -> Response:
    return _page("answer.html", answer_json(call))


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


def backtests(call: Call) -> Response:
    return _page("backtests.html", backtests_json(call))


def backtests_json(call: Call) -> BacktestsPage:
    return read_backtests(call.project)


def backtest(call: Call) -> Response:
    return _page("backtest.html", backtest_json(call))


def backtest_json(call: Call) -> Listed:
    return backtest_of(call.project, call.path["backtest"])


def operations(call: Call) -> Response:
    return _page("operations.html", operations_json(call))


def operations_json(call: Call) -> OperationsPage:
    return read_operations(call.project)


def _asked(call: Call) -> Asked:
    return Asked(**{name: call.query.get(name, "") for name in Asked.__struct_fields__})


def _page(template: str, page: object, error: InvalidInput | None = None) -> Response:
    text = render(template, page=page, error=error)
    return Response(text, 200 if error is None else 422, media_type=HTML)


async def asset(call: Call) -> Response:
    """A file of the console; its name carries its hash, so it may be kept for ever."""
    found = assets.FILES.get(call.path["name"])
    if found is None:
        raise NotFound(f"There is no asset {call.path['name']!r}.", code="no_asset")
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(found.body, media_type=found.media_type, headers=headers)


async def favicon(call: Call) -> Response:
    """What browsers ask for beside a page that is not ours to write, such as JSON."""
    icon = assets.FILES[assets.URLS["icon.svg"].removeprefix("/assets/")]
    return Response(icon.body, media_type=icon.media_type)


def error_page(problem: Problem) -> Response:
    """An error for people."""
    text = render("error.html", page=problem)
    return Response(text, problem.status, headers=problem.headers, media_type=HTML)
