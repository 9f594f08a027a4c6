"""Cycles as durable workflows.

DBOS checkpoints each workflow in its own tables, and each step records its result beside the data
it made (:mod:`everloop.loop.cycles`): a recorded step is never run again. Who runs a cycle is for
the lease of its loop to decide (:mod:`everloop.loop.holding`), so each engine has an executor id of
its own, under which DBOS finds nothing of others to recover; a cycle whose lease has run out is
begun by whoever takes that, from its first step that is not recorded.

One engine runs on a project folder at a time; ``.everloop/controller.lock`` decides which, and
tells without waiting that the last one is gone. Engines of other folders, on other machines too,
may share its database. A cycle that another process creates is picked up by any of them.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TextIO, cast

import msgspec
from dbos import DBOS, DBOSConfig, SetWorkflowID

from everloop.errors import Conflict, EverloopError, InvalidInput, LeaseLost
from everloop.extensions import executors
from everloop.loop.cycles import Cycle
from everloop.loop.executors import Executor
from everloop.loop.failing import tell_failure
from everloop.loop.following import follow, when_there
from everloop.loop.holding import TAKEN, Holding, Run
from everloop.loop.lock import take
from everloop.loop.project import Project
from everloop.loop.running import needs_worker
from everloop.loop.steps import CONTROLLER_STEPS, End, Interrupted, Outcome, Report, silent
from everloop.loop.trying import patiently, try_step
from everloop.store.leases import under

log = logging.getLogger("everloop.engine")
MOVING = frozenset({"deploy", "promote"})  # steps that move traffic
FOLLOW_SECONDS = 0.1  # between two looks at a cycle that runs elsewhere
END_SECONDS = 2  # for what is cut off to say so
_current: Engine | None = None
# Nothing here is told by DBOS's notifications: nobody need hear each second that they are away.
logging.getLogger("dbos").addFilter(lambda record: "Notification listener" not in str(record.msg))


class Engine:
    """Runs the cycles of one project. At most one is launched in a process.

    ``loops`` names those whose cycles it runs; all of the database's unless given. Raises
    :class:`~everloop.errors.Conflict` from :meth:`launch` when another process runs the cycles of
    the same folder, or this process those of another one.
    """

    def __init__(
        self,
        project: Project,
        executor: str | Executor = "subprocess",
        loops: frozenset[str] | None = None,
    ) -> None:
        self.project = project
        self.loops = loops
        made = executors.get(executor)(project.dir) if isinstance(executor, str) else executor
        self.executor: Executor = made
        self.report: Report = silent
        self._lock_file: TextIO | None = None
        self._held: Holding | None = None
        self._closing = threading.Event()
        self._rested = threading.Event()  # a workflow of this engine came to its end
        self._workflows: set[futures.Future[str]] = set()

    def launch(self, report: Report | None = None) -> None:
        """Take the lock, recover what was under way, and be ready for cycles."""
        global _current
        self.report = report or silent
        self._lock_file = take(self.project)
        if _current is not None:
            self._lock_file.close()
            raise Conflict("controller: this process runs the cycles of another folder.")
        _current = self
        try:
            self._held = Holding(self.project, self._lock_file, self.executor.stop)
            running = self.project.cycles.unfinished("running")
            if any(needs_worker(self.project, cycle) for cycle in running):
                self.executor.warm()  # its imports overlap with the engine's own start
            self.project.step_soon = self.executor.warm
            engine = DBOS(config=_config(self.project))
            with _raised_alone(), self.project.db.translated():
                DBOS.launch()
            _let_rest(engine)
            self._held.start()
            self.pick_up()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop; a cycle under way is resumed by the next launch, here or elsewhere."""
        global _current
        self._closing.set()
        self.executor.close()
        if self._held is not None:
            self._held.stop()
        if _current is self:
            # What was cut off ends at once, and can still say so. DBOS itself would look for what
            # is left once a second, the first time after a second.
            futures.wait(self._workflows, END_SECONDS)
            DBOS.destroy()
            _current = None
        if self._lock_file is not None:
            self._lock_file.close()

    @property
    def held(self) -> Holding:
        """What runs here, once it is launched."""
        assert self._held is not None
        return self._held

    def pick_up(self) -> None:
        """Start every cycle that should be running and is not, as far as there is room here.

        One whose next step computes waits for a free slot of the executor: another controller may
        have one. One whose next step moves traffic is for a controller that has a data plane.
        """
        left = [c for c in self.project.cycles.unfinished("running") if self._is_ours(c)]
        done = self.project.cycles.done_steps([c.id for c in left]) if left else {}
        for cycle in left:
            steps = [name for name in cycle.plan if name not in done[cycle.id]]
            heavy = not CONTROLLER_STEPS.issuperset(steps)
            if heavy and self.held.heavy >= self.executor.slots:
                continue
            if not self._moved_elsewhere(steps):
                self.start(cycle, heavy)

    def start(self, cycle: Cycle, heavy: bool = False) -> None:
        """Run a cycle in the background; nothing happens when it runs already, here or elsewhere.

        Each start is a workflow of its own, since a finished one of an old name (before a crash,
        before an approval) would not run again.
        """
        run = self.held.begin(cycle, heavy)
        if run is None:
            return
        try:
            with SetWorkflowID(run.workflow):
                handle = DBOS.start_workflow(run_cycle, cycle.id)
            future: futures.Future[str] = cast(Any, handle).future
            self._workflows.add(future)
            future.add_done_callback(self._workflows.discard)
        except BaseException:
            self.release(cycle.id)
            raise

    def wait(self, cycle_id: str, poll: float = 1.0) -> Cycle:
        """Run a cycle if nobody does, and block until it is finished or waits for a person.

        What this engine runs tells when it is done; what another one runs is told of by what it
        records.
        """
        store = self.project.cycles
        while True:
            self._rested.clear()
            cycle = when_there(lambda: store.get(cycle_id))
            if cycle.finished is not None or cycle.state == "waiting":
                return cycle
            if when_there(partial(self._begun, cycle)):
                self._rested.wait(poll)
            else:
                follow(
                    lambda: (store.get(cycle_id), store.steps(cycle_id)),
                    self.report,
                    FOLLOW_SECONDS,
                    lambda: self._begun(store.get(cycle_id)),
                )

    def _begun(self, cycle: Cycle) -> bool:
        """Whether it runs here, since nobody else runs it."""
        if self.held.run(cycle.id) is None:
            done = self.project.cycles.done_steps([cycle.id])[cycle.id]
            if not self._moved_elsewhere([name for name in cycle.plan if name not in done]):
                self.start(cycle)
        return self.held.run(cycle.id) is not None

    def _moved_elsewhere(self, left: list[str]) -> bool:
        """Whether the next of the steps that are left is for a controller that sees the traffic."""
        return bool(left) and left[0] in MOVING and self.held.served_elsewhere()

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def _is_ours(self, cycle: Cycle) -> bool:
        wanted = self.loops is None or cycle.loop in self.loops
        return wanted and self.held.run(cycle.id) is None

    def release(self, cycle_id: str) -> None:
        """It runs here no more."""
        self.held.end(cycle_id)
        self._rested.set()

    # -- called from the workflow ----------------------------------------------------------------

    def step(self, cycle_id: str, name: str, position: int) -> Outcome:
        """The outcome of a step: the recorded one, or a new one that is recorded now.

        Raises :class:`Interrupted` when the engine closes, or another controller takes the cycle
        over, before there is one.
        """
        run = self._run(cycle_id)
        store = self.project.cycles
        with under(self.project.db, run.lease):
            recorded = patiently(run.stop, lambda: store.step(cycle_id, name))
            if recorded is not None and recorded.state == "done":
                return _recorded(recorded.result or {})
            if name in CONTROLLER_STEPS:
                run.heavy = False
            if self._moved_elsewhere([name]):
                raise Interrupted  # the controller that sees the traffic picks it up
            outcome = self._outcome(run, cycle_id, name, position)
        facts = {"cycle": cycle_id, "step": name, "state": "done", "result": outcome.result}
        self.report("step", facts)
        return outcome

    def _outcome(self, run: Run, cycle_id: str, name: str, position: int) -> Outcome:
        store = self.project.cycles
        try:
            outcome = try_step(self, run, cycle_id, name, position)
        except Interrupted:
            raise
        except LeaseLost:
            log.warning(TAKEN, cycle_id)
            raise Interrupted from None
        except EverloopError as error:
            said = error.message
            patiently(run.stop, lambda: store.fail_step(cycle_id, name, said))
            verdict = "refused" if isinstance(error, InvalidInput) else "failed"
            return Outcome({}, End(verdict, f"{name}: {said}"))
        except Exception as error:
            log.exception("step %s of cycle %s failed", name, cycle_id)
            said = f"{type(error).__name__}: {error}"
            patiently(run.stop, lambda: store.fail_step(cycle_id, name, said))
            return Outcome({}, End("failed", f"{name}: {said}"))
        if not outcome.wait:
            result = {**outcome.result, "end": msgspec.to_builtins(outcome.end)}
            patiently(run.stop, lambda: store.finish_step(cycle_id, name, result))
        return outcome

    def suspend(self, cycle_id: str, name: str) -> None:
        """Let the cycle wait for a person."""
        run = self._run(cycle_id)
        with under(self.project.db, run.lease):
            patiently(run.stop, lambda: self.project.cycles.suspend(cycle_id, name))

    def end(self, cycle_id: str, end: End) -> None:
        """Write the verdict, under the cycle's lease and as soon as the database answers."""
        run = self._run(cycle_id)
        with under(self.project.db, run.lease):
            patiently(run.stop, lambda: self.finish(cycle_id, end))

    def _run(self, cycle_id: str) -> Run:
        run = self.held.run(cycle_id)
        if run is None or run.stop.is_set():
            raise Interrupted
        return run

    def finish(self, cycle_id: str, end: End) -> None:
        results = {s.step: s.result or {} for s in self.project.cycles.steps(cycle_id)}
        version = results.get("register", {}).get("version")
        if version is not None and end.verdict not in ("promoted", "registered"):
            self._end_trial(cycle_id, int(version))
        self.project.cycles.finish(
            cycle_id,
            verdict=end.verdict,
            reason=end.reason,
            version=version,
            evidence=_evidence(results),
        )
        if end.verdict == "failed":
            tell_failure(self.project, self.project.cycles.get(cycle_id))
        self.report("cycle", {"cycle": cycle_id, "verdict": end.verdict, "reason": end.reason})

    def _end_trial(self, cycle_id: str, version: int) -> None:
        """A version that was turned down is nobody's challenger any more."""
        registry, model = self.project.registry, self.project.cycles.get(cycle_id).loop
        if registry.alias(model, "challenger") == version:
            registry.delete_alias(model, "challenger", actor="controller", by_rollout=True)


@DBOS.workflow(name="everloop.cycle")
def run_cycle(cycle_id: str) -> str:
    """The workflow: the steps of the plan in order, until one ends or suspends the cycle."""
    engine = _current
    run = engine.held.run(cycle_id) if engine is not None else None
    if engine is None or run is None or run.workflow != DBOS.workflow_id:
        return "elsewhere"
    try:
        return _carry_on(engine, cycle_id)
    except (Interrupted, LeaseLost):
        return "interrupted"  # whoever has the lease next goes on with it
    except Exception as error:
        if run.stop.is_set() or engine.closing:
            return "interrupted"
        # A cycle must never be left under way with nobody running it.
        log.exception("cycle %s broke", cycle_id)
        with suppress(Interrupted, LeaseLost):
            engine.end(cycle_id, End("failed", f"{type(error).__name__}: {error}"))
        return "failed"
    finally:
        engine.release(cycle_id)


def _carry_on(engine: Engine, cycle_id: str) -> str:
    cycle = engine.project.cycles.get(cycle_id)
    if cycle.finished is not None:
        return str(cycle.verdict)
    for position, name in enumerate(cycle.plan):
        said = workflow_step(cycle_id, name, position)
        if said["wait"]:
            engine.suspend(cycle_id, name)
            return "waiting"
        if said["end"] is not None:
            workflow_end(cycle_id, said["end"])
            return str(said["end"]["verdict"])
    workflow_end(cycle_id, {"verdict": "registered", "reason": "The plan ends here."})
    return "registered"


@DBOS.step(name="everloop.step")
def workflow_step(cycle_id: str, name: str, position: int) -> dict[str, Any]:
    """A checkpoint of the workflow; small, since the result itself lies in ``cycle_steps``."""
    assert _current is not None
    outcome = _current.step(cycle_id, name, position)
    return {"wait": outcome.wait, "end": msgspec.to_builtins(outcome.end)}


@DBOS.step(name="everloop.end")
def workflow_end(cycle_id: str, end: dict[str, str]) -> None:
    """The verdict, written once."""
    assert _current is not None
    _current.end(cycle_id, msgspec.convert(end, End))


def _recorded(result: dict[str, Any]) -> Outcome:
    end = result.pop("end", None)
    return Outcome(result, msgspec.convert(end, End) if end else None)


def _evidence(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the verdict rests on, in one place, without the bulk of each step."""
    evaluate, train = results.get("evaluate", {}), results.get("train", {})
    keep = {
        "dataset": results.get("snapshot", {}).get("dataset"),
        "rows": results.get("snapshot", {}).get("rows"),
        "algorithm": train.get("algorithm"),
        "metric": evaluate.get("metric"),
        "metrics": evaluate.get("metrics"),
        "comparison": evaluate.get("comparison"),
        "gates": evaluate.get("gates"),
        "rollout": results.get("deploy", {}).get("steps"),
    }
    return {key: value for key, value in keep.items() if value is not None}


@contextmanager
def _raised_alone() -> Iterator[None]:
    """DBOS also logs, with its traceback, the error that it then raises."""
    log = logging.getLogger("dbos")
    log.addFilter(_is_told)
    try:
        yield
    finally:
        log.removeFilter(_is_told)


def _is_told(record: logging.LogRecord) -> bool:
    return not (record.exc_info and "failed to launch" in record.getMessage())


def _let_rest(engine: DBOS) -> None:
    """End those threads of DBOS that look for queues, schedules, delays and deadlines once a
    second: no cycle has any, and at rest they took more than all the rest of a controller."""
    for event in [*engine.background_thread_stop_events, engine._background_jobs_stop_event]:
        event.set()


def _config(project: Project) -> DBOSConfig:
    url = project.db.engine.url.render_as_string(hide_password=False)
    if project.db.dialect == "sqlite":
        url = f"sqlite:///{project.state / 'workflows.db'}"
    return DBOSConfig(
        name="everloop",
        system_database_url=url,
        # Fixed, so that a newer everloop resumes the cycles of an older one.
        application_version="1",
        # One that nobody has had: which cycles are recovered, and by whom, the leases decide.
        executor_id=uuid.uuid4().hex,
        log_level="WARNING",
        run_admin_server=False,  # type: ignore[typeddict-unknown-key]
        # What closing waits for, at most; nothing here is told by notifications.
        notification_listener_polling_interval_sec=0.1,
        enable_otlp=False,
    )
