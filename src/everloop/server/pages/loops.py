"""Pages of the loops: the overview, a cycle, its decision, backtests."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

import msgspec
from starlette.responses import RedirectResponse, Response

from everloop.console.loops.backtests import BacktestsPage, read_backtests
from everloop.console.loops.cycle import CyclePage, read_cycle
from everloop.console.loops.decision import DecisionPage, read_decision
from everloop.console.loops.loop import LoopPage, read_loop
from everloop.console.loops.overview import Asked, Overview, read_overview
from everloop.errors import Forbidden, invalid
from everloop.loop.backtests.places import backtest_of
from everloop.loop.backtests.records import Listed
from everloop.loop.loop import loop_of
from everloop.server.call import Call, Comment
from everloop.server.pages._base import shown, word_of
from everloop.server.plane import traffic


def overview(call: Call) -> Response:
    return shown("overview.html", overview_json(call))


def overview_json(call: Call) -> Overview:
    context = call.context
    counts = traffic(context.serve_url, context.token)
    asked = msgspec.convert(dict(call.query), Asked)
    return read_overview(call.project, context.serve_url, counts, asked)


def cycle(call: Call) -> Response:
    return shown("cycle.html", cycle_json(call))


def cycle_json(call: Call) -> CyclePage:
    again = call.query.get("replay", "") not in ("", "0")
    return read_cycle(call.project, call.path["cycle"], again)


def decision(call: Call) -> Response:
    return shown("decision.html", decision_json(call))


def decision_json(call: Call) -> DecisionPage:
    return read_decision(call.project, call.path["cycle"], call.actor, call.permissions)


def decide(call: Call) -> Response:
    """A button of a decision's page: a person's word, then the page again."""
    word = word_of(call.body, _Decision)
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
        if not approved and not word.comment.strip():
            raise invalid("comment", word.comment, "a reason, since the answer is no")
        loop.decide(found.id, approved=approved, by=call.actor, comment=word.comment)
    return RedirectResponse(f"/cycles/{found.id}/decision", 303)


def loop(call: Call) -> Response:
    return shown("loop.html", loop_json(call))


def loop_json(call: Call) -> LoopPage:
    context = call.context
    counts = traffic(context.serve_url, context.token)
    found = loop_of(call.project, call.path["loop"])
    return read_loop(call.project, found, counts, call.before())


def steer(call: Call) -> Response:
    """A loop's button, then its page again."""
    word, found = word_of(call.body, _Steering), loop_of(call.project, call.path["loop"])
    if word.do == "run":
        cause = {"kind": "person", "by": call.actor, "comment": word.comment}
        found.run(cause, wait=False, actor=call.actor)
    elif word.do == "monitor":
        found.monitor()
    elif word.do == "pause":
        found.pause(by=call.actor, reason=word.comment)
    else:
        found.resume(by=call.actor)
    return RedirectResponse(f"/loops/{quote(found.name, safe='')}", 303)


def backtests(call: Call) -> Response:
    return shown("backtests.html", backtests_json(call))


def backtests_json(call: Call) -> BacktestsPage:
    return read_backtests(call.project)


def backtest(call: Call) -> Response:
    return shown("backtest.html", backtest_json(call))


def backtest_json(call: Call) -> Listed:
    return backtest_of(call.project, call.path["backtest"])


class _Decision(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["approve", "reject", "comment", "rollback"]
    comment: Comment = ""


class _Steering(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["run", "pause", "resume", "monitor"]
    comment: Comment = ""
