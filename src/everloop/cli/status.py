"""``everloop status``: where each loop stands."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import (
    detail,
    heading,
    interval,
    next_step,
    number,
    print_json,
    say,
    table,
    verdict,
)
from everloop.cli._target import connected, settings_of
from everloop.deploy.serving.standing import Standing
from everloop.loop.loop import loop_of, loops_of
from everloop.loop.project import Project
from everloop.loop.status import LoopStatus


@click.command("status")
@project_options
def command(folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Show each loop: its stage, its champion, its endpoint, its last verdict."""
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            found, planes = server.statuses(), server.planes()
        states = [s for s in found if loop_name in (None, s.loop)]
        up: dict[str, str] | None = {"url": server.url}
        _show_all(states, as_json, up, f"at {server.url}", planes)
        return
    with Project.open(folder) as project:
        loops = [loop_of(project, loop_name)] if loop_name else loops_of(project)
        states = [loop.status() for loop in loops]
        up = project.supervisor()
        where = "" if up is None else f"console {up['url']}, predictions {up['serve_url']}"
        _show_all(states, as_json, up, where, project.planes())


def _show_all(
    states: list[LoopStatus],
    as_json: bool,
    up: dict[str, str] | None,
    where: str,
    planes: list[Standing],
) -> None:
    if as_json:
        print_json({"loops": states, "up": up, "planes": planes})
        return
    for state in states:
        _show(state)
    for plane in planes:
        detail(_plane(plane))
    if not states:
        say("No loop here yet.")
        next_step("everloop init DATA.csv", "writes everloop.toml from looking at the data")
    elif up is None:
        next_step("everloop up", "runs the console, predictions and the controller")
    else:
        say(where)
        next_step("everloop monitor", "looks at the traffic now")


def _plane(plane: Standing) -> str:
    lost = sum(rows for reasons in plane.log_lost.values() for rows in reasons.values())
    errors = "".join(f"; {name or 'state'}: {error}" for name, error in plane.errors.items())
    missing = f"; {lost:,} rows not logged" if lost else ""
    return f"data plane {plane.url}, revision {plane.revision}{missing}{errors}"


def _show(state: LoopStatus) -> None:
    at = f", {state.step} under way" if state.step else ""
    heading(f"{state.loop}: {state.stage}{at}")
    for role, version in (("champion", state.champion), ("challenger", state.challenger)):
        if version is not None:
            detail(
                f"{role:<10} version {version.version}, {version.algorithm}, {version.metric} "
                f"{number(version.value)} {interval(version.low, version.high)}"
            )
    if state.arms:
        table(
            ("version", "role", "weight"),
            [(a["version"], a["role"], f"{a['weight']:.0%}") for a in state.arms],
            title=f"endpoint {state.endpoint}",
        )
    if state.last_cycle is not None and state.last_cycle.verdict:
        verdict(state.last_cycle.verdict, state.last_cycle.reason or "")
    if state.realised:
        detail(state.realised)
    if state.paused is not None:
        which = "all loops" if state.paused.every else "it"
        why = f": {state.paused.reason}" if state.paused.reason else ""
        detail(f"{state.paused.by} has paused {which}{why}")
    if state.waiting:
        detail(f"a cycle {state.waits or 'waits for people'}: everloop decision")
