"""Imports and exports that the server does by itself, with how far they are."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.server.call import Answer, Call, Page
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.queue import Kind, Move


class ImportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to bring in from ``source``; the names are those of ``el.import_mlflow``."""

    source: str
    artifacts: bool = True
    artifacts_from: str | None = None
    merge: bool = False
    rename_with: str = ""
    checksums: bool = True
    dry_run: bool = False


class ExportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to put into the MLflow at ``target``."""

    target: str
    artifacts: bool = True


def begin_import(call: Call) -> Answer:
    body: ImportBody = call.body
    fence = _fence(call)
    fence.check("source", body.source)
    if body.artifacts_from is not None:
        fence.check("artifacts_from", body.artifacts_from)
    return _begin(call, "import", body.source, msgspec.structs.asdict(body))


def begin_export(call: Call) -> Answer:
    body: ExportBody = call.body
    _fence(call).check("target", body.target)
    return _begin(call, "export", body.target, msgspec.structs.asdict(body))


def imports(call: Call) -> Page:
    return _listing(call, "import")


def exports(call: Call) -> Page:
    return _listing(call, "export")


def get_import(call: Call) -> Move:
    return call.project.moves.get(call.path["move"], "import")


def get_export(call: Call) -> Move:
    return call.project.moves.get(call.path["move"], "export")


def stop_import(call: Call) -> Move:
    return call.project.moves.stop(call.path["move"], "import", call.actor)


def stop_export(call: Call) -> Move:
    return call.project.moves.stop(call.path["move"], "export", call.actor)


def resume_import(call: Call) -> Move:
    return call.project.moves.resume(call.path["move"], "import", call.actor)


def resume_export(call: Call) -> Move:
    return call.project.moves.resume(call.path["move"], "export", call.actor)


def _fence(call: Call) -> Fence:
    return Fence.of(call.project.settings.move_places)


def _begin(call: Call, kind: Kind, address: str, options: dict[str, Any]) -> Answer:
    del options["source" if kind == "import" else "target"]
    return Answer(call.project.moves.add(kind, address, options, call.actor), 202)


def _listing(call: Call, kind: Kind) -> Page:
    found = call.project.moves.page(kind, call.limit(), call.query.get("after"))
    return Page(found.items, found.next)
