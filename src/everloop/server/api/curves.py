"""Curves for charts, as JSON by column and as a picture."""

from __future__ import annotations

from typing import cast, get_args

from starlette.responses import Response

from everloop.console.runs.curves import DRAWN, Curves, View, chosen_runs, draw, read_curves
from everloop.errors import InvalidInput, invalid
from everloop.server.call import Call
from everloop.tracking.curves import FEWEST, MOST
from everloop.tracking.stretches import Axis

QUERY = ("runs", "key", "x", "from", "to", "points")
LOOKS = ("smooth", "log")
BOUND = 2**63 - 1
PICTURE = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "content-type": "image/svg+xml",
}


def curves(call: Call) -> Curves:
    """A metric of some runs, thinned out: the least and the greatest value always stay."""
    return _read(call, chosen_runs(call.query.get("runs", "")))


def drawing(call: Call) -> Response:
    """The first four of them, for a page without scripts."""
    runs = chosen_runs(call.query.get("runs", ""))[:DRAWN]
    return Response(draw(_read(call, runs), view_of(call)), headers=PICTURE)


def _read(call: Call, runs: list[str]) -> Curves:
    if "key" not in call.query:
        raise InvalidInput("query.key: got nothing, expected a metric's name.", path="query.key")
    most = call.whole("points", None, FEWEST, MOST)
    return read_curves(call.project, runs, call.query["key"], view_of(call), most)


def view_of(call: Call) -> View:
    """How the query looks at curves."""
    axis = call.query.get("x") or "step"
    if axis not in get_args(Axis):
        raise invalid("query.x", axis, "one of " + ", ".join(get_args(Axis)))
    low, high = (call.whole(name, None, -BOUND, BOUND) for name in ("from", "to"))
    text = call.query.get("smooth") or "0"
    try:
        smooth = float(text)
    except ValueError:
        smooth = -1.0
    if not 0 <= smooth <= 0.99:
        raise invalid("query.smooth", text, "a number from 0 to 0.99")
    return View(cast(Axis, axis), low, high, smooth, bool(call.query.get("log")))
