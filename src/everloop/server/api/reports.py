"""Reports: of a version, of a cycle also where no version came of it, and of a window."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from everloop.errors import invalid
from everloop.loop.reports import cycle_report, report_file
from everloop.monitor.profile_report import Profiles
from everloop.monitor.window_report import window_report
from everloop.server.call import Call

MEDIA = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "card": "text/markdown; charset=utf-8",
}
# The page is ours and has no script; its style is inside, since it must not need another file.
PAGE = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


def of_version(call: Call) -> Response:
    """``?as=html``, ``json`` (the default) or ``card``."""
    version = call.project.registry.version(call.path["model"], call.number("version"))
    kind = call.query.get("as", "json")
    return _answer(report_file(call.project, version, kind), kind)


def of_cycle(call: Call) -> Response:
    """The report that the cycle made, whatever its verdict."""
    kind = call.query.get("as", "json")
    return _answer(cycle_report(call.project, call.path["cycle"], kind), kind)


def of_window(call: Call) -> Response:
    """``?as=html`` or ``json`` (the default)."""
    kind = call.query.get("as", "json")
    if kind not in ("html", "json"):
        raise invalid("as", kind, "html or json")
    found = window_report(call.project.windows, call.path["endpoint"], call.number("start"))
    return _answer(found.to_html().encode() if kind == "html" else found.to_json(), kind)


def profile_of_window(call: Call) -> Response:
    """``?as=saved`` is a file that ``everloop profile`` merges and compares; ``json`` a report."""
    kind = call.query.get("as", "json")
    if kind not in ("json", "saved"):
        raise invalid("as", kind, "json or saved")
    profiles = Profiles(call.project.windows, call.project.blobs, call.path["endpoint"])
    asked = call.number("start"), call.whole("until", None, 0, 2**53), call.query.get("segment")
    if kind == "saved":
        return _answer(profiles.profile(*asked).to_json(), "json")
    return _answer(msgspec.json.encode(profiles.report(*asked)), "json")


def _answer(data: bytes, kind: str) -> Response:
    return Response(data, media_type=MEDIA[kind], headers=PAGE if kind == "html" else {})
