"""One policy of a backtest: its project lives through the stream, window by window.

What is done is in the project's database. A window is written twice, when it is answered and when
it is decided; whatever lies between two writes may be cut off and is done again without harm: the
log and the labels know a table that comes again, a cycle under way is resumed, and a window in
which a cycle began was decided.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from everloop.data.conform import conform
from everloop.durations import milliseconds
from everloop.evaluate.costs import metric_of
from everloop.evaluate.metrics import Metric
from everloop.loop.answers import PackagedModel
from everloop.loop.backtests.records import Begun, Played, Progress
from everloop.loop.backtests.stream import Stream
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.engine import Engine
from everloop.loop.feeding import Feeder
from everloop.loop.logging import bring
from everloop.loop.project import Project
from everloop.loop.watching import look
from everloop.registry.models import ModelVersion
from everloop.store.clock import SimulatedClock

ACTOR, PERSON = "backtest", "backtest-reviewer"
MARK = "backtest"


class Player:
    """Plays the windows of one policy. ``project`` is its own, ``declaration`` has the policy."""

    def __init__(
        self,
        project: Project,
        declaration: Declaration,
        stream: Stream,
        begun: Begun,
        engine: Engine,
        clock: SimulatedClock,
    ) -> None:
        self.project, self.declaration, self.stream = project, declaration, stream
        self.engine, self.clock = engine, clock
        after = begun.plan.approve_after
        self._approve_after = milliseconds(after, "approve_after") if after else 0
        self._metric: Metric = metric_of(declaration.evaluate, stream.schema, begun.metric)
        self._count = begun.count
        self._loaded: tuple[int, PackagedModel] | None = None
        # What was written before a crash must not lie in the future of what comes now.
        self._after = max((event.at for event in project.events.latest(1)), default=0) + 1
        self.progress = read_progress(project, declaration)

    def play(self, told: Callable[[], None]) -> None:
        """Every window that is left; ``told`` is called after each."""
        for number in range(self._count):
            if self._decided(number):
                continue
            self.clock.set(max(self.stream.span(number)[1], self._after))
            if number >= len(self.progress.windows):
                self.progress.windows.append(self._answered(number))
                self._keep()
            self._decide(number)
            self._keep()
            told()

    def _decided(self, number: int) -> bool:
        return number < len(self.progress.windows) and self.progress.windows[number].decided

    def _keep(self) -> None:
        self.project.marks.write(self.declaration.endpoint, MARK, self.progress)

    # -- answers ---------------------------------------------------------------------------------

    def _answered(self, number: int) -> Played:
        """The champion's answers to a window's rows, in the prediction log, and their score."""
        rows, target = self.stream.asked(number), self.stream.data.target
        champion = self.project.champion(self.declaration.name)
        assert champion is not None, "the first part has trained one"
        if not rows.height:
            return Played(rows=0, labelled=0, score=None, version=champion.version)
        model = self._model(champion)
        told = conform(rows.drop(target), model.package.schema)
        answers = model.answers(told)
        table = rows.drop(target).with_columns(_columns(model, answers.pred, answers.proba))
        schema = model.package.schema
        bring(
            self.project, table, endpoint=self.declaration.endpoint, id=schema.id or "",
            time=schema.time or "", prediction=_Y, probability="" if answers.proba is None else _P,
        )  # fmt: skip
        known = rows[target].is_not_null().to_numpy()
        said = model.answers(told.filter(pl.Series(known)), self.stream.schema)
        y = self.stream.targets(rows.filter(pl.Series(known)))
        score = (
            None
            if self._metric.undefined(y)
            else float(self._metric.function(y, said.pred, said.proba))
        )
        if score is not None and not np.isfinite(score):
            score = None
        return Played(
            rows=rows.height, labelled=int(known.sum()), score=score, version=champion.version
        )

    def _model(self, champion: ModelVersion) -> PackagedModel:
        if self._loaded is None or self._loaded[0] != champion.version:
            self._loaded = champion.version, PackagedModel(*self.project.package(champion))
        return self._loaded[1]

    # -- decisions -------------------------------------------------------------------------------

    def _decide(self, number: int) -> None:
        """Labels come, people answer, the loop looks, and what it begins is carried through."""
        played, store = self.progress.windows[number], self.project.cycles
        end = self.stream.span(number)[1]
        arrived = self.stream.arrived(number)
        if arrived.height:
            Feeder(self.project, self.declaration.endpoint).frame(arrived)
        ended = [self._carried(cycle, end) for cycle in store.unfinished()]
        newest = store.page(self.declaration.name, limit=1)[0]
        if newest.started < end:
            seen = look(self.project, self.declaration, ACTOR, now=end)
            played.action, played.reason = seen.decision.action, seen.decision.reason
            if seen.cycle is not None:
                ended.append(self._carried(seen.cycle, end))
        elif not played.action:  # it had begun before a crash
            played.action, played.reason = (
                "cycle",
                newest.cause.get("decision", newest.reason or ""),
            )
            ended += (
                [newest] if newest.finished is not None and newest.id not in _ids(ended) else []
            )
        played.verdicts = [c.verdict for c in ended if c.verdict is not None]
        played.decided = True

    def _carried(self, cycle: Cycle, now: int) -> Cycle:
        """A cycle to its end, or to where it waits for a person who takes longer."""
        if cycle.finished is not None:
            return cycle
        self.project.decisions.settle()
        found = self.engine.wait(cycle.id)
        if found.state != "waiting":
            return found
        asked = self.project.decisions.of(found.id)
        if self._approve_after and (asked is None or now < asked.asked + self._approve_after):
            return found
        self.project.decisions.say(
            found.id, approved=True, actor=PERSON, comment="As the backtest was asked to."
        )
        return self.engine.wait(found.id)


_Y, _P = "backtest y", "backtest p"


def _columns(model: PackagedModel, pred: Any, proba: Any) -> list[pl.Series]:
    """The answers as a table of predictions has them."""
    schema = model.package.schema
    y = pl.Series(_Y, pred) if schema.numeric else pl.Series(schema.classes).gather(pred).alias(_Y)
    if proba is None:
        return [y]
    width = pl.Array(pl.Float64, proba.shape[1])
    return [y, pl.Series(_P, np.asarray(proba, np.float64), width).cast(pl.List(pl.Float64))]


def _ids(found: list[Cycle]) -> set[str]:
    return {cycle.id for cycle in found}


def read_progress(project: Project, declaration: Declaration) -> Progress:
    """The windows of a policy so far."""
    return project.marks.read(declaration.endpoint, MARK, Progress)
