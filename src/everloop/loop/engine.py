"""Cycles as durable workflows.

DBOS checkpoints each workflow in its own tables: after ``kill -9`` the next process that launches
the engine resumes what was under way. Each step also records its result beside the data it made
(:mod:`everloop.loop.cycles`), and a recorded step is never run again.

One engine runs on a project folder at a time; ``.everloop/controller.lock`` decides which. A cycle
that another process creates is picked up by whoever holds the lock.
"""

from __future__ import annotations

import logging
import threading
import uuid
from typing import Any, TextIO

import msgspec
from dbos import DBOS, DBOSConfig, SetWorkflowID

from everloop.errors import Conflict, EverloopError, InvalidInput
from everloop.extensions import executors
from everloop.loop.cycles import Cycle
from everloop.loop.executors import Executor, WorkerLost
from everloop.loop.lock import take
from everloop.loop.project import Project
from everloop.loop.running import needs_worker, run_step
from everloop.loop.steps import CONTROLLER_STEPS, End, Interrupted, Outcome, Report, silent

log = logging.getLogger("everloop.engine")
ATTEMPTS = 3  # of a step whose worker died
_current: Engine | None = None


class Engine:
    """Runs the cycles of one project. At most one is launched in a process.

    Raises :class:`~everloop.errors.Conflict` from :meth:`launch` when another process runs the
    cycles of the same folder, or this process those of another one.
    """

    def __init__(self, project: Project, executor: str | Executor = "subprocess") -> None:
        self.project = project
        made = executors.get(executor)(project.dir) if isinstance(executor, str) else executor
        self.executor: Executor = made
        self.report: Report = silent
        self._lock_file: TextIO | None = None
        self._running: dict[str, str] = {}  # cycle -> the workflow that runs it
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._rested = threading.Event()  # a workflow of this engine came to its end

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
            running = self.project.cycles.unfinished("running")
            if any(needs_worker(self.project, cycle) for cycle in running):
                self.executor.warm()  # its imports overlap with the engine's own start
            DBOS(config=_config(self.project))
            DBOS.launch()
            self.pick_up()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop; a cycle under way is resumed by the next launch."""
        global _current
        self._closing.set()
        self.executor.close()
        if _current is self:
            DBOS.destroy(workflow_completion_timeout_sec=0)
            _current = None
        if self._lock_file is not None:
            self._lock_file.close()

    def pick_up(self) -> None:
        """Start every cycle that should be running and is not."""
        for cycle in self.project.cycles.unfinished("running"):
            self.start(cycle)

    def start(self, cycle: Cycle) -> None:
        """Run a cycle in the background; nothing happens when it runs already.

        Each start has a name of its own, since a finished workflow of an old name (before a crash,
        before an approval) would not run again.
        """
        workflow = f"{cycle.id}:{uuid.uuid4().hex[:8]}"
        if not self.claim(cycle.id, workflow):
            return
        try:
            with SetWorkflowID(workflow):
                DBOS.start_workflow(run_cycle, cycle.id)
        except BaseException:
            self.release(cycle.id)
            raise

    def wait(self, cycle_id: str, poll: float = 1.0) -> Cycle:
        """Run a cycle if nobody does, and block until it is finished or waits for a person.

        What this engine runs tells when it is done; only what others do is asked for every
        ``poll`` seconds.
        """
        while True:
            self._rested.clear()
            cycle = self.project.cycles.get(cycle_id)
            if cycle.finished is not None or cycle.state == "waiting":
                return cycle
            self.start(cycle)
            self._rested.wait(poll)

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    # -- called from the workflow ----------------------------------------------------------------

    def claim(self, cycle_id: str, workflow: str) -> bool:
        """True for the one workflow that may run this cycle now."""
        with self._guard:
            return self._running.setdefault(cycle_id, workflow) == workflow

    def release(self, cycle_id: str) -> None:
        with self._guard:
            self._running.pop(cycle_id, None)
        self._rested.set()

    def step(self, cycle_id: str, name: str, position: int) -> Outcome:
        """The outcome of a step: the recorded one, or a new one that is recorded now.

        Raises :class:`Interrupted` when the engine closes before there is one.
        """
        if self.closing:
            raise Interrupted
        store = self.project.cycles
        recorded = store.step(cycle_id, name)
        if recorded is not None and recorded.state == "done":
            return _recorded(recorded.result or {})
        store.begin_step(cycle_id, name, position)
        self.report("step", {"cycle": cycle_id, "step": name, "state": "running"})
        try:
            outcome = self._attempt(cycle_id, name)
        except Interrupted:
            raise
        except EverloopError as error:
            store.fail_step(cycle_id, name, error.message)
            verdict = "refused" if isinstance(error, InvalidInput) else "failed"
            outcome = Outcome({}, End(verdict, f"{name}: {error.message}"))
        except Exception as error:
            log.exception("step %s of cycle %s failed", name, cycle_id)
            store.fail_step(cycle_id, name, f"{type(error).__name__}: {error}")
            outcome = Outcome({}, End("failed", f"{name}: {type(error).__name__}: {error}"))
        else:
            if not outcome.wait:
                end = msgspec.to_builtins(outcome.end)
                store.finish_step(cycle_id, name, {**outcome.result, "end": end})
        self.report(
            "step", {"cycle": cycle_id, "step": name, "state": "done", "result": outcome.result}
        )
        return outcome

    def _attempt(self, cycle_id: str, name: str) -> Outcome:
        if name in CONTROLLER_STEPS:
            return run_step(self.project, cycle_id, name, self.report, self._closing)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self.executor.run(cycle_id, name, self.report)
            except WorkerLost as lost:
                if self.closing:
                    raise Interrupted from None  # it was killed by us: record nothing
                log.warning("%s attempt %s of %s", lost.message, attempt, ATTEMPTS)
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

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
    if engine is None or not engine.claim(cycle_id, str(DBOS.workflow_id)):
        return "elsewhere"
    try:
        cycle = engine.project.cycles.get(cycle_id)
        if cycle.finished is not None:
            return str(cycle.verdict)
        for position, name in enumerate(cycle.plan):
            said = workflow_step(cycle_id, name, position)
            if said["wait"]:
                engine.project.cycles.suspend(cycle_id, name)
                return "waiting"
            if said["end"] is not None:
                workflow_end(cycle_id, said["end"])
                return str(said["end"]["verdict"])
        workflow_end(cycle_id, {"verdict": "registered", "reason": "The plan ends here."})
        return "registered"
    except Exception as error:
        if engine.closing:
            return "interrupted"  # the next engine goes on with it
        # A cycle must never be left under way with nobody running it.
        log.exception("cycle %s broke", cycle_id)
        engine.finish(cycle_id, End("failed", f"{type(error).__name__}: {error}"))
        return "failed"
    finally:
        engine.release(cycle_id)


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
    _current.finish(cycle_id, msgspec.convert(end, End))


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


def _config(project: Project) -> DBOSConfig:
    url = project.db.engine.url.render_as_string(hide_password=False)
    if project.db.dialect == "sqlite":
        url = f"sqlite:///{project.state / 'workflows.db'}"
    return DBOSConfig(
        name="everloop",
        system_database_url=url,
        # Fixed, so that a newer everloop resumes the cycles of an older one.
        application_version="1",
        executor_id="controller",
        log_level="WARNING",
        run_admin_server=False,  # type: ignore[typeddict-unknown-key]
        # What closing waits for, at most; nothing here is told by notifications.
        notification_listener_polling_interval_sec=0.05,
        enable_otlp=False,
    )
