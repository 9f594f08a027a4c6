"""Telling channels how cycles end, and which wait for a person: the verdict, not the raw alarm."""

from __future__ import annotations

import hashlib

import msgspec

from everloop.loop.approving import waits_for
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.loop.realised import read_realised
from everloop.monitor.alerting.deliveries import DeliveryStore
from everloop.monitor.alerting.notice import Ended, Item, Notice, Severity
from everloop.monitor.alerting.rules import named, tells
from everloop.monitor.windows import Alert
from everloop.store.clock import now_ms
from everloop.update.decide import release_command

NEWEST = 20  # cycles that are looked at
FIRST_MS = 86_400_000  # how old an end may be that is told when nobody was told anything before
MARK = "verdicts"
SEVERITY: dict[str, Severity] = {
    "waiting": "warning", "rejected": "warning", "rolled_back": "critical", "failed": "critical",
    "refused": "critical",
}  # fmt: skip


class Told(msgspec.Struct, frozen=True):
    """Up to when (ms) cycles that ended were told, and the last that was told to wait."""

    until: int = 0
    waiting: str = ""


def tell_verdicts(project: Project, declaration: Declaration) -> int:
    """Queue what the rules tell of cycles that ended or began to wait; returns how much is new.

    A delivery is known by what it tells, so a look that is killed before its mark is written and
    repeated afterwards tells nothing twice.
    """
    endpoint = declaration.endpoint
    rules = [(name, rule) for name, rule in named(declaration.monitor.alerts) if rule.verdicts]
    if not rules:
        return 0
    told = project.marks.read(endpoint, MARK, Told)
    since = told.until or now_ms() - FIRST_MS
    found = project.cycles.page(declaration.name, limit=NEWEST)
    news = [cycle for cycle in reversed(found) if _is_news(project, cycle, since, told.waiting)]
    if not news:
        return 0
    notices = [(cycle, _notice(project, cycle, endpoint)) for cycle in news]
    queued = 0
    with project.db.write() as conn:
        for cycle, notice in notices:
            for name, rule in rules:
                if not tells(rule, _word(cycle)):
                    continue
                key = hashlib.sha256(f"{name}\0{cycle.id}".encode()).hexdigest()[:32]
                mine = msgspec.structs.replace(notice, key=key, rule=name)
                for channel in rule.channels:
                    queued += DeliveryStore.add(conn, mine, channel, mine.at)
    waits = [_told(project, cycle) for cycle in news if cycle.finished is None]
    ends = [cycle.finished for cycle in news if cycle.finished is not None]
    after = Told(max([since, *ends]), waits[-1] if waits else told.waiting)
    project.marks.write(endpoint, MARK, after)
    return queued


def _is_news(project: Project, cycle: Cycle, since: int, waiting: str) -> bool:
    if cycle.finished is None:
        return cycle.state == "waiting" and _told(project, cycle) != waiting
    return cycle.finished > since


def _told(project: Project, cycle: Cycle) -> str:
    """What a cycle's end, or a question to people, is known by; each reminder is another one."""
    if cycle.finished is not None:
        return cycle.id
    return f"{cycle.id}:waiting:{_reminder(project, cycle)}"


def _reminder(project: Project, cycle: Cycle) -> int:
    decision = project.decisions.of(cycle.id) if cycle.finished is None else None
    return decision.reminders if decision is not None else 0


def _word(cycle: Cycle) -> str:
    return cycle.verdict or cycle.state


def _notice(project: Project, cycle: Cycle, endpoint: str) -> Notice:
    word = _word(cycle)
    return Notice(
        key="", state="verdict", endpoint=endpoint, rule="", severity=SEVERITY.get(word, "info"),
        at=cycle.finished or now_ms(), items=_alarms(project, cycle), ended=_ended(project, cycle),
    )  # fmt: skip


def _ended(project: Project, cycle: Cycle) -> Ended:
    steps = {step.step: step.result or {} for step in project.cycles.steps(cycle.id)}
    worth = steps.get("probe", {}).get("weighed") or {}
    gap = steps.get("evaluate", {}).get("comparison") or {}
    realised = read_realised(cycle)
    up = project.supervisor()
    return Ended(
        cycle=cycle.id,
        number=cycle.number,
        verdict=_word(cycle),
        sentence=cycle.reason or _waits(project, cycle),
        gain=worth.get("gain", gap.get("difference")),
        realised=realised.gain if realised is not None else None,
        act=_act(cycle),
        reminder=_reminder(project, cycle),
        link=f"{up['url'] if up else ''}/cycles/{cycle.id}{'' if cycle.finished else '/decision'}",
    )


def _waits(project: Project, cycle: Cycle) -> str:
    clause = waits_for(cycle, project.decisions.of(cycle.id))
    return f"It {clause}." if clause else "It goes on."


def _act(cycle: Cycle) -> str:
    """The command that a person may want now."""
    word, of = _word(cycle), f" --loop {cycle.loop}"
    if word == "waiting":
        return f"everloop decision {cycle.number}{of}"
    if word == "refused" and cycle.cause.get("window") is not None:
        return release_command(cycle.cause["window"]) + of
    if word == "not_worth_it":
        return f"everloop run{of}"
    return f"everloop history {cycle.number}{of}"


def _alarms(project: Project, cycle: Cycle) -> list[Item]:
    """The alarms that the cycle came from, as they stand."""
    return [_item(project.windows.alert(key)) for key in cycle.cause.get("alerts", [])]


def _item(alert: Alert) -> Item:
    segment = alert.evidence.get("segment")
    return Item(
        id=alert.incident or alert.id,
        kind=alert.kind,
        feature=alert.feature,
        segment=segment if isinstance(segment, str) else None,
        severity=alert.severity,
        summary=alert.summary,
        since=alert.window,
        last=alert.window,
    )
