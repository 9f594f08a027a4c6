"""Backtests: asked for here, played in a process of their own, read from the project's folder."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from everloop.loop.backtests.places import backtest_of, backtests, page_of
from everloop.loop.backtests.records import Listed
from everloop.loop.loop import loop_of
from everloop.server.api.predictions import check_place
from everloop.server.api.reports import PAGE
from everloop.server.call import Answer, Call, Page


def begin(call: Call) -> Answer:
    """The plan's values are checked at once, its data when it begins."""
    plan = call.body.checked()
    loop_of(call.project, plan.loop)
    if plan.data:
        check_place(call.project, "data", plan.data)
    move = call.project.moves.add("backtest", plan.data, msgspec.to_builtins(plan), call.actor)
    return Answer(backtest_of(call.project, move.id), 202)


def listing(call: Call) -> Page:
    return Page(backtests(call.project)[: call.limit()], None)


def get(call: Call) -> Listed:
    return backtest_of(call.project, call.path["backtest"])


def report(call: Call) -> Response:
    """The page that the command line writes too."""
    content = page_of(call.project, call.path["backtest"])
    return Response(content, media_type="text/html; charset=utf-8", headers=PAGE)


def stop(call: Call) -> Listed:
    call.project.moves.stop(call.path["backtest"], "backtest", call.actor)
    return get(call)


def resume(call: Call) -> Listed:
    call.project.moves.resume(call.path["backtest"], "backtest", call.actor)
    return get(call)
