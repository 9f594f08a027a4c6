"""The page of runs, its forms, and those of a run's notes."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import RedirectResponse, Response

from everloop.console.runs.table import Asked, RunsPage, no_runs, read_runs_page
from everloop.errors import InvalidInput, invalid
from everloop.server.api.experiments import view_of
from everloop.server.call import Call
from everloop.server.pages._base import shown, word_of
from everloop.tracking.checks import check_key
from everloop.tracking.records import NOTE
from everloop.tracking.views import RunQuery

MOST = 50
"""Runs that are chosen at once."""


def runs(call: Call) -> Response:
    """The table of runs; a query that cannot be read is shown with what is wrong in it."""
    try:
        page, error = runs_json(call), None
    except InvalidInput as refused:
        page, error = no_runs(call.project, _asked(call, "active")), refused
    return shown("runs.html", page, error)


def runs_json(call: Call) -> RunsPage:
    return read_runs_page(call.project, _asked(call, view_of(call)))


def compared(call: Call) -> Response:
    """The form of the table, for those who only read: the page that compares what is ticked."""
    return RedirectResponse(f"/runs/compare?runs={','.join(_chosen(call).runs)}", 303)


def chosen(call: Call) -> Response:
    """The form of the table: delete or restore the runs that are ticked."""
    form = _chosen(call)
    if form.do is None:
        raise invalid("do", None, "delete or restore")
    for id in form.runs:
        change = call.project.runs.delete if form.do == "delete" else call.project.runs.restore
        found = call.project.runs.get(id)
        if (found.deleted is None) == (form.do == "delete"):
            change(id, actor=call.actor)
            call.context.live.notify(id)
    back = form.back if form.back.startswith("/runs?") else "/runs"
    return RedirectResponse(back, 303)


def views(call: Call) -> Response:
    """The form of the saved views: save the page's query under a name, or delete one."""
    word, store = word_of(call.body, _View), call.project.views
    others = "admin" in call.permissions
    if word.do == "delete":
        store.delete(word.name, actor=call.actor, of_others=others)
        return RedirectResponse("/runs", 303)
    query = RunQuery(word.experiment, word.filter, word.order_by, word.columns, word.group_by,
                     word.view)  # fmt: skip
    store.save(word.name.strip(), query, actor=call.actor, of_others=others)
    return RedirectResponse(Asked(**msgspec.structs.asdict(query)).address(), 303)


def annotate(call: Call) -> Response:
    """The forms of a run's notes and tags; they lead to its page again."""
    word, run = word_of(call.body, _Note), call.path["run"]
    tags: dict[str, str] = {}
    remove: list[str] = []
    if word.do == "note":
        text = word.note.replace("\r\n", "\n").strip()
        tags, remove = ({NOTE: text}, []) if text else ({}, [NOTE])
    elif word.do == "tag":
        tags = {check_key("tags", word.key.strip()): word.value}
    else:
        remove = [word.key]
    call.project.runs.annotate(run, tags, remove, actor=call.actor)
    call.context.live.notify(run)
    return RedirectResponse(f"/runs/{run}#notes", 303)


def _asked(call: Call, view: Any) -> Asked:
    query = {name: call.query.get(name, "") for name in Asked.__struct_fields__}
    # Boxes that are ticked come one by one.
    given = call.request.query_params.getlist("columns")
    return Asked(**query | {"columns": ",".join(given), "view": view})


class _Chosen(msgspec.Struct, forbid_unknown_fields=True):
    runs: list[str]
    do: Literal["delete", "restore"] | None = None
    back: str = ""


def _chosen(call: Call) -> _Chosen:
    """What the form says that has the boxes."""
    try:
        text = call.body.decode("ascii")
        pairs = parse_qsl(text, True, True, errors="strict", max_num_fields=MOST + 10)
        runs = list(dict.fromkeys(value for name, value in pairs if name == "runs"))
        form = msgspec.convert(dict(pairs) | {"runs": runs}, _Chosen)
    except (ValueError, msgspec.ValidationError) as error:
        expected = f"a form with runs, at most {MOST}, and do: delete or restore ({error})"
        raise invalid("body", f"<{len(call.body)} bytes>", expected) from None
    if not 1 <= len(runs) <= MOST:
        raise invalid("runs", f"<{len(runs)} runs>", f"1 to {MOST} that are ticked")
    return form


class _View(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["save", "delete"]
    name: str
    experiment: str = ""
    filter: str = ""
    order_by: str = ""
    columns: str = ""
    group_by: str = ""
    view: Literal["active", "deleted", "all"] = "active"


class _Note(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["note", "tag", "untag"]
    note: str = ""
    key: str = ""
    value: str = ""
