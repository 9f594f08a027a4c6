"""``everloop endpoints``: what answers where, and how it fares."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import detail, heading, next_step, number, print_json, say, table
from everloop.cli._target import connected, settings_of
from everloop.console.endpoints.traffic import ArmTraffic, arms_with_traffic
from everloop.console.words import ago
from everloop.deploy.serving.standing import read_standing
from everloop.errors import NotFound, did_you_mean
from everloop.loop.project import Project
from everloop.monitor.health import Health
from everloop.server.api.serving import EndpointWithTraffic, with_traffic
from everloop.server.plane import traffic
from everloop.store.clock import now_ms


@click.command("endpoints")
@click.argument("name", required=False)
@folder_option
@json_option
def command(name: str | None, folder: Path, as_json: bool) -> None:
    """List the endpoints, or show NAME: its arms, traffic, latency, errors and queue.

    The counts are the data plane's own, since it started.
    """
    found = _found(folder)
    if name is None:
        _list(found, as_json)
        return
    for one in found:
        if one.endpoint.name == name:
            _show(one, as_json)
            return
    known = [one.endpoint.name for one in found]
    raise NotFound(
        f"There is no endpoint {name!r}; the endpoints are: {', '.join(known) or 'none'}.",
        code="endpoint_not_found", path="NAME", got=name,
        fix=did_you_mean(name, known),
    )  # fmt: skip


def _found(folder: Path) -> list[EndpointWithTraffic]:
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            return server.page("/endpoints", EndpointWithTraffic)
    with Project.open(folder) as project:
        own = read_standing(project.serving_dir)
        counts = traffic(own.url, settings.token) if own is not None else {}
        return with_traffic(project, project.endpoints.all(), counts)


def _list(found: list[EndpointWithTraffic], as_json: bool) -> None:
    if as_json:
        print_json({"endpoints": found})
        return
    if not found:
        say("No endpoint here yet.")
        next_step("everloop run", "trains, tests and deploys a first version")
        return
    rows = []
    for one in found:
        arms = _arms(one)
        everywhere = [*arms, *(arm for plane in one.planes for arm in plane.arms)]
        champion = one.endpoint.champion
        rows.append(
            (
                one.endpoint.name, one.endpoint.model, champion.version,
                ", ".join(f"{a.role} {a.version}" for a in arms if a.role != "champion") or "-",
                _state(one), sum(a.requests or 0 for a in everywhere),
                sum(a.errors or 0 for a in everywhere),
                _ms(next((a.p99_ms for a in arms if a.role == "champion"), None)),
            )
        )  # fmt: skip
    columns = (
        "endpoint",
        "model",
        "champion",
        "beside it",
        "state",
        "requests",
        "errors",
        "p99 ms",
    )
    table(columns, rows)
    if not any(_answers(one) for one in found):
        next_step("everloop serve", "answers predictions")


def _show(one: EndpointWithTraffic, as_json: bool) -> None:
    if as_json:
        print_json(one)
        return
    heading(f"endpoint {one.endpoint.name}: model {one.endpoint.model}, {_state(one)}")
    columns = (
        "version",
        "role",
        "weight",
        "live",
        "requests",
        "rows",
        "errors",
        "p50 ms",
        "p99 ms",
    )
    table(columns, [_row(arm) for arm in _arms(one)])
    _show_planes(one)
    _show_health(one.health)
    if not _answers(one):
        next_step("everloop serve", "answers predictions")
    if one.traffic is None:
        return
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(one.traffic.codes.items()))
    detail(codes or "none yet", "answers")
    queue = one.traffic.queue
    if queue:
        detail(
            f"{queue['active']} of at most {queue['concurrency']} requests under way, "
            f"{queue['waiting']} of at most {queue['queue']} waiting", "queue",
        )  # fmt: skip
    if one.traffic.cache:
        detail("{hits} answered from it, {misses} not".format(**one.traffic.cache), "cache")
    for feature, checks in sorted(one.traffic.unexpected.items()):
        told = ", ".join(f"{check}: {count}" for check, count in sorted(checks.items()))
        detail(f"{feature} in {told}", "unexpected")


def _show_planes(one: EndpointWithTraffic) -> None:
    """The data planes on other machines, each with its arms."""
    columns = ("data plane", "state", "heard", "version", "role", "requests", "errors", "p99 ms")
    rows = [
        (
            plane.plane, plane.state, ago(plane.heard, now_ms()), arm.version, arm.role,
            *("-" if n is None else n for n in (arm.requests, arm.errors)), _ms(arm.p99_ms),
        )
        for plane in one.planes
        for arm in plane.arms
    ]  # fmt: skip
    if rows:
        table(columns, rows, title="on other machines")
    for plane in one.planes:
        for error in plane.errors.values():
            detail(error, plane.plane)


def _show_health(health: Health | None) -> None:
    """The newest window of it as a service."""
    if health is None:
        return
    parts = [
        f"{health.per_second:.1f} requests a second", f"{health.error_rate or 0:.1%} errors",
        f"{health.shed_rate or 0:.1%} refused", f"p99 {_ms(health.p99_ms)} ms",
    ]  # fmt: skip
    if health.cost is not None:
        parts.append(f"1,000 predictions cost {health.cost:.2g}")
    detail(", ".join(parts), "service")
    for text in health.beyond.values():
        detail(text, "beyond")


def _arms(one: EndpointWithTraffic) -> list[ArmTraffic]:
    arms = [{"version": a.version, "role": a.role, "weight": a.weight} for a in one.endpoint.arms]
    return arms_with_traffic(arms, one.traffic)


def _row(arm: ArmTraffic) -> tuple[object, ...]:
    counts = (arm.requests, arm.rows, arm.errors)
    return (
        arm.version, arm.role, f"{arm.weight:.0%}", "yes" if arm.live else "no",
        *("-" if count is None else count for count in counts), _ms(arm.p50_ms), _ms(arm.p99_ms),
    )  # fmt: skip


def _state(one: EndpointWithTraffic) -> str:
    return "answers" if _answers(one) else "does not answer"


def _answers(one: EndpointWithTraffic) -> bool:
    return one.traffic is not None or any(plane.state == "answering" for plane in one.planes)


def _ms(value: float | None) -> str:
    return "-" if value is None else number(value, 3)
