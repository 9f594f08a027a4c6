"""The pages of the event log, of settings and of storage."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.responses import RedirectResponse, Response

from everloop.console.events import EventsPage, read_events
from everloop.durations import milliseconds
from everloop.loop.configured import Setting, configured
from everloop.loop.deciding import audited
from everloop.loop.room import Storage, measured
from everloop.server.api.records import wanted
from everloop.server.call import Call
from everloop.server.pages._base import shown, word_of
from everloop.tracking.deletion.collect import RETENTION

FILTERS = ("kind", "actor", "subject", "since", "until")


class SettingsPage(msgspec.Struct, frozen=True):
    """Every setting, and the JSON at ``/settings.json``."""

    settings: list[Setting]


class StoragePage(msgspec.Struct, frozen=True):
    """What takes room, and the JSON at ``/storage.json``."""

    storage: Storage
    collects: bool


class _Collecting(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["collect"]
    older_than: str = "30d"


def events(call: Call) -> Response:
    return shown("events.html", events_json(call))


def events_json(call: Call) -> EventsPage:
    asked = {name: call.query.get(name, "").strip() for name in FILTERS}
    return read_events(call.project, asked, wanted(call), call.before())


def verify(call: Call) -> Response:
    """The page with what an audit of the whole log says."""
    page = events_json(call)
    return shown("events.html", msgspec.structs.replace(page, audit=audited(call.project)))


def settings(call: Call) -> Response:
    return shown("settings.html", settings_json(call))


def settings_json(call: Call) -> SettingsPage:
    return SettingsPage(configured(call.project))


def storage(call: Call) -> Response:
    return shown("storage.html", storage_json(call))


def storage_json(call: Call) -> StoragePage:
    return StoragePage(measured(call.project), "admin" in call.permissions)


def collect(call: Call) -> Response:
    """Frees what was deleted long ago, and shows what there is left."""
    word = word_of(call.body, _Collecting)
    age = RETENTION if not word.older_than else milliseconds(word.older_than, "older_than")
    call.project.gc(age, actor=call.actor)
    return RedirectResponse("/storage", 303)
