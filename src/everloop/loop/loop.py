"""The loop as one object: what the command line, HTTP and a notebook all call."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from everloop.deploy.checked import changed, check_beside, check_task
from everloop.deploy.rollouts import Do, Rollout, Wish, no_rollout
from everloop.errors import Conflict, NotFound, Unavailable, invalid
from everloop.loop.alerts import LoopAlerts
from everloop.loop.by_hand import Wanted, asked_cause
from everloop.loop.checking import check_words
from everloop.loop.cycle_steps import Step
from everloop.loop.cycles import Cycle, numbered
from everloop.loop.deciding import LoopDecisions, person_here
from everloop.loop.declaration import Declaration, load_file
from everloop.loop.evaluating import expectations_of
from everloop.loop.executors.subprocess import SubprocessExecutor
from everloop.loop.following import Progress, follow
from everloop.loop.lock import is_free
from everloop.loop.models import LoopModels
from everloop.loop.project import Project
from everloop.loop.replaying import Replayed, replay
from everloop.loop.reports import cycle_report
from everloop.loop.running import needs_worker
from everloop.loop.status import LoopStatus, read_status
from everloop.loop.steps import PLANS
from everloop.loop.upstream import tell
from everloop.loop.watching import Looked, look
from everloop.monitor.cause.found import Cause
from everloop.monitor.profile_report import ProfileReport, Profiles
from everloop.monitor.quality.expectations import Expectations
from everloop.monitor.summaries.table import TableProfile
from everloop.monitor.window_report import WindowReport, window_report
from everloop.monitor.windows import Window
from everloop.update.asked import transferred
from everloop.update.situation import Heard, Paused

_POLL_SECONDS = 0.1
_NO_LOOP = "everloop init DATA.csv makes a loop file; --dir FOLDER names one elsewhere."


class Loop(LoopAlerts, LoopDecisions, LoopModels):
    """One declared loop of a project.

    Every method that changes something makes a cycle and returns it; with ``wait=False`` the
    cycle goes on in the controller that runs on the folder (``everloop up``).
    """

    def __init__(self, project: Project, declaration: Declaration) -> None:
        self.project = project
        self.declaration = declaration

    @property
    def name(self) -> str:
        return self.declaration.name

    @property
    def endpoint(self) -> str:
        return self.declaration.endpoint

    # -- the verbs -------------------------------------------------------------------------------

    def run(
        self,
        cause: dict[str, Any] | None = None,
        *,
        wait: bool = True,
        on_progress: Progress | None = None,
        actor: str = "person",
    ) -> Cycle:
        """One trip round: snapshot, train, evaluate, register, deploy, promote.

        A cycle that a crash has left under way is resumed instead of a new one being begun.
        """
        left = [c for c in self.project.cycles.unfinished("running") if c.loop == self.name]
        if left and wait:
            return self.follow(left[0], on_progress)
        return self._cycle("run", cause or {"kind": "person"}, wait, on_progress, actor)

    def train(
        self,
        *,
        base: str | None = None,
        wait: bool = True,
        on_progress: Progress | None = None,
        actor: str = "person",
    ) -> Cycle:
        """Train and register a version; the first one becomes the champion.

        With a ``base``, as ``model/3``, from that registered version instead of from nothing.
        """
        cause: dict[str, Any] = {"kind": "train"}
        if base:
            choice = transferred(base, "A person starts training from it.")
            self.project.registry.version(choice.model, choice.base or 0).package_digest()
            cause["method"] = msgspec.to_builtins(choice)
        return self._cycle("train", cause, wait, on_progress, actor)

    def update(
        self,
        source: str | None = None,
        *,
        method: str | None = None,
        window: str | None = None,
        search: str | None = None,
        wait: bool = True,
        on_progress: Progress | None = None,
        actor: str = "person",
    ) -> Cycle | Looked:
        """With a file of new rows: a new version if it is better on rows neither has seen.

        Without one: look at the monitors and do what the update policy says; what was seen comes
        back, with the cycle that it led to.

        With a ``method``, a ``window`` or a ``search`` (as in ``[update]``, which they replace for
        this time): a cycle that makes a model so, whatever the monitors say; its gates decide.
        """
        wanted = Wanted(method, window, search)
        if source is not None and wanted:
            raise invalid("update", "DATA and a method", "one of them")
        if wanted:
            cause = asked_cause(self.project, self.declaration, wanted)
            return self._cycle("update", cause, wait, on_progress, actor)
        if source is not None:
            cause = {"kind": "data", "source": self._resolved(source)}
            return self._cycle("run", cause, wait, on_progress, actor)
        seen = look(self.project, self.declaration, actor)
        if seen.cycle is None or seen.cycle.finished is not None or not wait:
            return seen
        return msgspec.structs.replace(seen, cycle=self.follow(seen.cycle, on_progress))

    def deploy(
        self,
        version: int | None = None,
        *,
        rollout: dict[str, Any] | None = None,
        beside: Sequence[int] = (),
        comment: str = "",
        wait: bool = True,
        on_progress: Progress | None = None,
        actor: str = "person",
    ) -> Cycle:
        """Make a registered version the champion, by the declared rollout; also the way back.

        ``rollout`` has other values of ``[deploy.rollout]`` for this time, as
        ``{"kind": "shadow"}``; ``beside`` are more versions to compare, of an A/B test or a bandit.
        ``comment`` says why.
        """
        chosen = self.version(version)
        others = [self.version(number) for number in beside]
        for each in (chosen, *others):
            each.package_digest()  # what has no package is refused before a cycle begins
        cause: dict[str, Any] = {"kind": "deploy", "version": chosen.version}
        spec = changed(self.declaration.deploy.rollout, rollout or {})
        check_beside(spec, chosen.version, beside)
        if spec.kind == "interleave":
            check_task(spec, self.project.package(chosen)[1].schema.task)
        if rollout and spec.kind != "direct" and self.project.serving() is None:
            raise Unavailable(
                "rollout: no data plane runs on this folder, so no traffic could judge a version.",
                code="no_data_plane", path="rollout", fix="everloop up runs one.",
            )  # fmt: skip
        if rollout:
            cause["rollout"] = rollout
        if beside:
            cause["beside"] = list(beside)
        if comment:
            cause["comment"] = comment
        return self._cycle("deploy", cause, wait, on_progress, actor)

    def rollout(self) -> Rollout | None:
        """The newest rollout at the loop's endpoint, with what was seen; None before the first."""
        return self.project.rollouts.newest(self.endpoint)

    def pause(self, *, by: str, reason: str = "") -> Paused:
        """Let no update begin by itself until :meth:`resume`; what a person starts begins."""
        return self.project.pauses.pause(self.name, actor=by, reason=reason)

    def resume(self, *, by: str) -> None:
        """Let updates begin again.

        Raises :class:`~everloop.errors.Conflict` when nobody has paused this very loop.
        """
        self.project.pauses.resume(self.name, actor=by)

    def tell(self, name: str, message: str = "", *, by: str) -> Heard:
        """Tell the loop of an event upstream; ``update.when = ["event NAME"]`` listens to it."""
        return tell(self.project.events, self.name, name, message, actor=by)

    def steer(self, do: Do, *, by: str, comment: str = "") -> Rollout:
        """Pause, resume, promote or roll back the rollout that is under way.

        Whoever carries it on does so within a second. Raises
        :class:`~everloop.errors.NotFound` before the first rollout, and
        :class:`~everloop.errors.Conflict` for one that is over.
        """
        found = self.rollout()
        if found is None:
            raise no_rollout(self.endpoint)
        return self.project.rollouts.ask(found.id, Wish(do, by, comment))

    def test(
        self,
        version: int | None = None,
        *,
        wait: bool = True,
        on_progress: Progress | None = None,
        actor: str = "person",
    ) -> Cycle:
        """Measure a registered version on held-out rows again, through every gate."""
        chosen = self.version(version)
        chosen.package_digest()
        cause = {"kind": "test", "version": chosen.version}
        return self._cycle("test", cause, wait, on_progress, actor)

    def reproduce(
        self,
        run: str,
        *,
        wait: bool = True,
        on_progress: Progress | None = None,
        actor: str = "person",
    ) -> Cycle:
        """Train a run's model again and compare: the verdict is ``reproduced`` or ``differs``."""
        found = self.project.runs.get(run)
        cause = {"kind": "reproduce", "run": found.id}
        return self._cycle("reproduce", cause, wait, on_progress, actor)

    def expectations(self) -> Expectations:
        """What the rows of a window should be like: from the file, or as learned."""
        return expectations_of(self.project, self.declaration)

    def monitor(self) -> Looked:
        """Ship the log, look at every closed window, and say what the update policy makes of it."""
        return look(self.project, self.declaration, actor=None)

    def windows(self, limit: int = 20) -> list[Window]:
        """The newest windows of the loop's endpoint."""
        return self.project.windows.page(self.endpoint, limit=limit)

    def window_report(self, start: int | None = None) -> WindowReport:
        """The report of the window that starts at ``start`` (ms), by default the newest.

        Raises :class:`~everloop.errors.NotFound` when there is none.
        """
        return window_report(self.project.windows, self.endpoint, start)

    def profile(
        self, start: int | None = None, until: int | None = None, segment: str | None = None
    ) -> TableProfile:
        """The profile that was kept of the window that starts at ``start`` (ms).

        By default the newest; with ``until`` all windows that start before it, together. A
        ``segment`` is one as ``carrier=AA``, of the columns that ``[monitor] segments`` names. It
        merges with others, and :func:`~everloop.compare` takes it.

        Raises :class:`~everloop.errors.NotFound` for a window or a segment that is not there.
        """
        return self._profiles.profile(start, until, segment)

    def profile_report(
        self, start: int | None = None, until: int | None = None, segment: str | None = None
    ) -> ProfileReport:
        """The same beside the training rows, or beside the segment in the windows before."""
        return self._profiles.report(start, until, segment)

    @property
    def _profiles(self) -> Profiles:
        return Profiles(self.project.windows, self.project.blobs, self.endpoint)

    def why(self, alert: str, *, again: bool = False) -> Cause:
        """What an alert came from, named by its id or the beginning of it.

        Since when, how much of a loss comes with which features and how much is concept change,
        in which segments, what was changed nearby, and what was done about alerts like it. It
        takes a second or a few and is kept; more labels, or ``again``, find it anew.
        """
        causes = importlib.import_module("everloop.loop.causes")
        found: Cause = causes.why(self.project, self.declaration, alert, again=again)
        return found

    # -- what is known ---------------------------------------------------------------------------

    def status(self) -> LoopStatus:
        """Where the loop stands now."""
        return read_status(self.project, self.declaration)

    def history(self, before: int | None = None, limit: int = 20) -> list[Cycle]:
        """Cycles, newest first; ``before`` is the number to go on from."""
        return self.project.cycles.page(self.name, before=before, limit=limit)

    def steps(self, cycle_id: str) -> list[Step]:
        return self.project.cycles.steps(cycle_id)

    def cycle_report(self, cycle_id: str, kind: Literal["html", "json", "card"] = "json") -> bytes:
        """The report that a cycle made, also where its model was refused.

        Raises :class:`~everloop.errors.NotFound` for a cycle that made none.
        """
        return cycle_report(self.project, cycle_id, kind)

    def logs(self, cycle_id: str) -> dict[str, str]:
        """The end of what each step of a cycle said: its progress, and what it printed."""
        return self.project.step_logs.of(cycle_id)

    def replay(self, number: int) -> Replayed:
        """A cycle's decisions again, from what was recorded, and what of them differs.

        Raises :class:`~everloop.errors.NotFound` for a number that there is not, and
        :class:`~everloop.errors.Conflict` for a cycle that decided nothing from evidence.
        """
        cycle = numbered(self.history(before=number + 1, limit=1), number, self.name)
        return replay(cycle, self.steps(cycle.id))

    # -- how a cycle is run ----------------------------------------------------------------------

    def _cycle(
        self,
        kind: str,
        cause: dict[str, Any],
        wait: bool,
        on_progress: Progress | None,
        actor: str,
    ) -> Cycle:
        check_words(self.declaration)
        if "approve" in PLANS[kind]:  # where another person may have to agree
            cause = {"by": person_here(self.project) if actor == "person" else actor, **cause}
        cycle = self.project.cycles.create(self.name, cause=cause, plan=PLANS[kind], actor=actor)
        if not wait:
            return cycle
        return self.follow(cycle, on_progress)

    def follow(self, cycle: Cycle, on_progress: Progress | None = None) -> Cycle:
        """Bring a cycle to its end: here, or by watching the process that has the folder.

        Should that process end first, the cycle is carried on here.
        """
        store, key = self.project.cycles, cycle.id
        while cycle.finished is None and cycle.state != "waiting":
            executor = SubprocessExecutor(self.project.dir)
            if needs_worker(self.project, cycle) and is_free(self.project):
                executor.warm()  # its imports overlap with the engine's
            # Two thirds of a second of imports that only a process that runs cycles should pay for.
            engine_module = importlib.import_module("everloop.loop.engine")
            engine = engine_module.Engine(self.project, executor)
            try:
                engine.launch(report=on_progress)
            except Conflict:
                executor.close()
                cycle = follow(
                    lambda: (store.get(key), store.steps(key)),
                    on_progress,
                    _POLL_SECONDS,
                    lambda: is_free(self.project),
                )
                continue
            try:
                cycle = engine.wait(key)
            finally:
                engine.close()
        return cycle

    def _resolved(self, source: str) -> str:
        """A file of the caller's, as the worker will find it."""
        path = Path(source)
        if path.exists():
            return str(path.resolve())
        if (self.project.dir / source).exists():
            return source
        raise invalid("source", source, "a data file that exists", code="missing_file")


def load(path: str | Path = "everloop.toml") -> Loop:
    """The loop that a file declares; its folder is the project.

    >>> loop = load("everloop.toml")  # doctest: +SKIP
    >>> loop.run().verdict  # doctest: +SKIP
    'promoted'
    """
    file = Path(path)
    folder = file if file.is_dir() else file.resolve().parent
    parsed = load_file(file)
    project = Project.open(folder, parsed.settings)
    project.cycles.save_loop(parsed.declaration, actor="file")
    return Loop(project, parsed.declaration)


def declare(folder: str | Path, declaration: Declaration) -> Loop:
    """A loop that is declared in Python instead of a file."""
    project = Project.open(folder)
    project.cycles.save_loop(declaration, actor="python")
    return Loop(project, declaration)


def loops_of(project: Project) -> list[Loop]:
    """Every loop of a project: the file's, and those declared otherwise."""
    project.sync_file()
    return [Loop(project, declaration) for declaration in project.cycles.declarations()]


def loop_of(project: Project, name: str | None = None) -> Loop:
    """The loop called ``name``, or the only one."""
    project.sync_file()
    names = project.cycles.loop_names()
    if name is None:
        if len(names) != 1:
            got = "none" if not names else ", ".join(names)
            raise NotFound(
                f"loop: got no name, and the project has {got}.",
                path="loop",
                fix="Name one: --loop NAME." if names else _NO_LOOP,
            )
        name = names[0]
    return Loop(project, project.cycles.declaration(name))


def loop_at(project: Project, endpoint: str) -> Loop:
    """The loop that keeps an endpoint's model good."""
    for loop in loops_of(project):
        if loop.endpoint == endpoint:
            return loop
    raise NotFound(f"endpoint {endpoint}: no loop of this project deploys to it.")
