"""A backtest from its plan to its report, or from where it was cut off."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from everloop.durations import milliseconds
from everloop.errors import Conflict, EverloopError, invalid
from everloop.evaluate.costs import metric_of
from everloop.loop.apart import Tell
from everloop.loop.backtests.past import (
    bring_files,
    in_windows,
    labels_after,
    of_the_past,
    otherwise,
)
from everloop.loop.backtests.places import (
    BASE,
    DONE,
    LOCK,
    PAGE,
    PLAN,
    REPORT,
    ROWS,
    folder_of,
    new_id,
    read_begun,
    read_result,
)
from everloop.loop.backtests.playing import ACTOR, PERSON, Player
from everloop.loop.backtests.policies import declared, parse_policy, policies_of, read_policies
from everloop.loop.backtests.records import Backtested, Begun, Plan
from everloop.loop.backtests.report import to_html
from everloop.loop.backtests.scores import Lived, compared
from everloop.loop.backtests.stream import (
    FILE,
    Stream,
    check_delay,
    read_history,
    width_text,
    windows_of,
)
from everloop.loop.declaration import Declaration, from_dict, to_dict
from everloop.loop.engine import Engine
from everloop.loop.lock import hold
from everloop.loop.loop import loop_of
from everloop.loop.project import Project
from everloop.loop.steps import PLANS
from everloop.replacing import replace_file
from everloop.settings import Settings
from everloop.store.clock import SimulatedClock, now_ms, simulated


def backtest(
    data: str | Path | None = None,
    *,
    policies: str | Path | Mapping[str, Mapping[str, Any]] | Sequence[str] | None = None,
    dir: Path | str = ".",
    resume: str | None = None,
    tell: Tell | None = None,
    **how: Any,
) -> Backtested:
    """Replay a historical stream through the loop under several policies, and compare them.

    Parameters
    ----------
    data : a table with time and labels, as ``data.source``; the loop's own source unless given.
    policies : a TOML file with a table for each; or name → keys of ``[update]`` that differ from
        the loop file's; or names of usual ones (never, always, monthly, own, auto, pool), which
        are all compared unless some are given.
    dir : the project's folder.
    resume : the id of a backtest that was cut off; nothing else is then given.
    tell : called with ``("windows", done, total)`` as the work goes on.
    how : the other fields of :class:`~everloop.loop.backtests.records.Plan`.

    While it runs, this process lives in the stream's time. The same plan on the same stream comes
    to the same, but for seconds. Raises :class:`~everloop.errors.InvalidInput` for what cannot be
    replayed, and :class:`~everloop.errors.Conflict` while another process is at it.
    """
    with Project.open(dir) as project:
        if resume is not None:
            return resumed(project, resume, tell)
        named: dict[str, Any] = {"data": str(data or ""), "policies": _given(policies), **how}
        try:
            plan = msgspec.convert(named, Plan)
        except msgspec.ValidationError as error:
            raise invalid("backtest", named, f"the arguments of a backtest ({error})") from None
        return backtested(project, plan, tell)


def _given(policies: Any) -> dict[str, Any]:
    if policies is None:
        return {}
    if isinstance(policies, str | Path):
        return read_policies(Path(policies))
    if isinstance(policies, Mapping):
        return {name: dict(update) for name, update in policies.items()}
    return {name: update for text in policies for name, update in parse_policy(text).items()}


def backtested(project: Project, plan: Plan, tell: Tell | None = None, id: str = "") -> Backtested:
    """The same in an open project; ``id`` may be one that was chosen before."""
    folder = folder_of(project, id or new_id())
    begin(project, plan, folder)
    return resumed(project, folder.name, tell)


def begin(project: Project, plan: Plan, folder: Path) -> Begun:
    """Check everything, and lay out the folder; the plan is written last."""
    loop = loop_of(project, plan.checked().loop)
    declaration = of_the_past(loop.declaration, plan)
    history = read_history(declaration, project.dir)
    start, width, count = windows_of(history, plan)
    text = width_text(width)
    delay = plan.delay or labels_after(loop.declaration)
    check_delay(history, start, milliseconds(delay, "delay"), delay)
    declaration = in_windows(declaration, history.data, text, delay)
    policies, notes = policies_of(plan, declaration, history.schema, project.dir, text)
    metric = metric_of(declaration.evaluate, history.schema)
    notes += otherwise(loop.declaration, policies, plan)
    begun = Begun(
        id=folder.name, loop=declaration.name, created=now_ms(), plan=plan,
        declaration=to_dict(declaration), policies=policies, notes=notes, begin=start,
        width=width, count=count, delay=milliseconds(delay), metric=metric.name,
        greater_is_better=metric.greater_is_better,
    )  # fmt: skip
    (folder / BASE).mkdir(parents=True, exist_ok=True)
    history.frame.write_parquet(folder / FILE)
    bring_files(project, loop.declaration, folder / BASE)
    replace_file(folder / PLAN, msgspec.json.encode(begun))
    return begun


def resumed(project: Project, id: str, tell: Tell | None = None) -> Backtested:
    """Go on with a backtest until it is over; one that is over is read."""
    folder = folder_of(project, id)
    begun = read_begun(folder)
    if (folder / REPORT).exists():
        return read_result(folder)
    busy = Conflict(
        f"backtest {id}: another process is at it.", code="backtest_busy", path="backtest"
    )
    own = str(project.dir)
    if own not in sys.path:
        sys.path.append(own)  # where candidates of one's own lie
    with hold(folder / LOCK, busy), simulated() as clock:
        found = _played(folder, begun, clock, tell or _silent)
    replace_file(folder / PAGE, to_html(found).encode())
    replace_file(folder / REPORT, msgspec.json.format(msgspec.json.encode(found)))
    return found


def _played(folder: Path, begun: Begun, clock: SimulatedClock, tell: Tell) -> Backtested:
    declaration = from_dict(begun.declaration).declaration
    stream = Stream(folder, begun, declaration.data)
    total, done = len(begun.policies) * begun.count, [0]
    train_rows = _first_champion(folder / BASE, declaration, stream, begun, clock)
    tell("windows", 0, total)
    lived = []

    def told() -> None:
        done[0] += 1
        replace_file(folder / DONE, str(done[0]).encode(), lasting=False)
        tell("windows", done[0], total)

    for policy in begun.policies:
        _copy(folder / BASE, folder / policy.name)
        made = declared(declaration, policy)
        # Only the time goes on from one window to the next, and each policy begins it anew.
        with simulated() as own, _opened(folder / policy.name, made) as (project, engine):
            player = Player(project, made, stream, begun, engine, own)
            before = sum(w.decided for w in player.progress.windows)
            done[0] += before
            player.play(told)
            lived.append(Lived(policy, project, made))
    return compared(begun, stream.spans(), train_rows, lived)


def _first_champion(
    base: Path, declaration: Declaration, stream: Stream, begun: Begun, clock: SimulatedClock
) -> int:
    """Train the champion that all policies begin with; returns how many rows it was made from."""
    clock.set(begun.begin)
    history = stream.history()
    if not (base / ROWS).exists():
        fresh = base / f".{ROWS}"
        history.write_parquet(fresh)
        fresh.replace(base / ROWS)
    with _opened(base, declaration) as (project, engine):
        name = declaration.name
        known = project.cycles.page(name, limit=1)
        if not known:
            cause = {"kind": "person"}
            known = [project.cycles.create(name, cause=cause, plan=PLANS["run"], actor=ACTOR)]
        first = engine.wait(known[0].id)
        if first.state == "waiting":
            project.decisions.say(first.id, approved=True, actor=PERSON)
            first = engine.wait(first.id)
        if first.verdict != "promoted":
            raise EverloopError(
                f"backtest: the first part of the stream made no champion: {first.reason}",
                code="no_champion", fix="See the loop file's gates, or train on a larger share.",
            )  # fmt: skip
    return history.height


@contextmanager
def _opened(folder: Path, declaration: Declaration) -> Iterator[tuple[Project, Engine]]:
    """A project of the backtest's own, on this machine alone, and its engine."""
    with Project.open(folder, Settings()) as project:
        project.cycles.save_loop(declaration, actor=ACTOR)
        engine = Engine(project, "inline")
        engine.launch()
        try:
            yield project, engine
        finally:
            engine.close()


def _copy(base: Path, to: Path) -> None:
    """The project in which the first champion serves, for one policy; whole or not at all."""
    if to.exists():
        return
    fresh = to.with_name(f".{to.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(base, fresh, copy_function=_linked)
    fresh.replace(to)


def _linked(source: str, to: str) -> None:
    """What is named by its content never changes, so it is there once."""
    if "/blobs/" in source:
        with suppress(OSError):
            os.link(source, to)
            return
    shutil.copy2(source, to)


def _silent(what: str, done: int, total: int | None) -> None:
    return
