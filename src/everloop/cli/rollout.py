"""``everloop rollout``: a new version on trial, and a person's word on it."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any, get_args

import click

from everloop.cli._options import project_options
from everloop.cli._output import detail, heading, next_step, number, print_json, say, table
from everloop.cli._target import opened
from everloop.deploy.rollouts import Do, Rollout, no_rollout
from everloop.deploy.spec import Kind


@click.group("rollout")
def command() -> None:
    """Begin a rollout, watch it, pause it, or end it by your word."""


@command.command("status")
@project_options
def status(folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Show the newest rollout: its stage, what was seen, what the guards say."""
    with opened(folder, loop_name) as (loop, _):
        found = loop.rollout()
        if found is None:
            raise no_rollout(loop.endpoint)
    if as_json:
        print_json(found)
    else:
        show(found)


@command.command("start")
@click.argument("version", type=int)
@click.option("--kind", type=click.Choice(get_args(Kind)), help="The loop file's, unless given.")
@click.option("--beside", type=int, multiple=True, help="One more version, of ab and bandit.")
@click.option("--guard", "guards", multiple=True, help="What can roll it back; may be repeated.")
@click.option("--share", type=float, help="Of the traffic, for the new versions of ab and bandit.")
@click.option("--hold", help='How long a stage lasts at most, such as "10m".')
@click.option("--min-requests", type=int, help="Requests that a stage waits for.")
@project_options
def start(
    version: int,
    beside: tuple[int, ...],
    guards: tuple[str, ...],
    folder: Path,
    loop_name: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Put VERSION on trial; the process that runs the cycles (everloop up) carries it on."""
    spec = {name: value for name, value in given.items() if value is not None}
    if guards:
        spec["guards"] = list(guards)
    with opened(folder, loop_name) as (loop, _):
        cycle = loop.deploy(version, rollout=spec, beside=beside, wait=False)
    if as_json:
        print_json(cycle)
    else:
        say(f"cycle {cycle.number} rolls version {version} out.")
        next_step("everloop rollout status", "shows how it goes")


def show(rollout: Rollout) -> None:
    """A rollout on the terminal."""
    seen = rollout.evidence
    versions = ", ".join(map(str, rollout.versions))
    heading(f"{rollout.endpoint}: {rollout.spec.kind} of version {versions}, {rollout.state}")
    if rollout.reason:
        detail(rollout.reason)
    if rollout.wish is not None:
        detail(f"asked for by {rollout.wish.words}: {rollout.wish.do}")
    for place, stage in enumerate(seen.stages):
        detail(f"{stage['weight']:.0%} of the traffic: {stage['verdict']} ({stage['reason']})",
               f"stage {place + 1}")  # fmt: skip
    if rollout.over:
        return
    rows = []
    for version in (rollout.champion, *rollout.versions):
        requests, failed = seen.requests.get(str(version), (0, 0))
        labelled, wrong = seen.labels.get(str(version), (0, 0))
        rows.append((version, requests, failed, labelled, wrong))
    table(
        ("version", "requests", "failed", "labelled", "wrong"), rows, f"stage {rollout.stage + 1}"
    )
    said = [(f["guard"], f["verdict"], number(f["value"]), f["reason"]) for f in seen.findings]
    if said:
        table(("guard", "verdict", "value", "evidence"), said)
    next_step("everloop rollout promote", "or pause, resume, rollback")


_HELP: dict[str, str] = {
    "pause": "Keep the rollout in its stage; the guards watch on.",
    "resume": "Let a paused rollout go on.",
    "promote": "Make the new version the champion now.",
    "rollback": "Give the champion its traffic back now.",
}


def _steering(do: Do) -> None:
    @command.command(do, help=_HELP[do])
    @click.option("--comment", default="", help="Why; kept with the decision.")
    @project_options
    def steer(comment: str, folder: Path, loop_name: str | None, as_json: bool) -> None:
        with opened(folder, loop_name) as (loop, _):
            found = loop.steer(do, by=getpass.getuser(), comment=comment)
        if as_json:
            print_json(found)
        else:
            say(f"{found.endpoint}: {do} is asked for.")
            next_step("everloop rollout status", "shows what came of it")


for _do in get_args(Do):
    _steering(_do)
