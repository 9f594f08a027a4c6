"""From a log to a situation, a probe and a decision, with nothing made up but the stream."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from everloop.data.encode import encode_batches
from everloop.data.schema import Feature, Schema
from everloop.data.segments import FeedbackRecord, PredictionRecord, SegmentWriter, encode_record
from everloop.evaluate.answers import Answers
from everloop.monitor.judging import Judging
from everloop.monitor.log import PredictionLog
from everloop.monitor.performance import Baseline
from everloop.monitor.profile import profile
from everloop.monitor.spans import DAY
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.watch import Watch
from everloop.registry.signing import Keys
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.update.decide import decide, needs_probe
from everloop.update.probe import Grounds, History, Own, Sources, grounds_of, quick_fit
from everloop.update.situation import Considered, Situation, gather
from everloop.update.spec import UpdateSpec
from everloop.update.worth import Worth

SCHEMA = Schema(
    (Feature("x", "number"), Feature("z", "number")),
    "y",
    "binary",
    (False, True),
    id="id",
    time="t",
)
T0 = 1_356_998_400_000  # 2013-01-01


def accuracy(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
    return float((y == pred).mean())


class World:
    """``y`` follows ``x`` until ``x`` moves; from then on it follows ``-x`` if it turns too."""

    def __init__(self, database: Database, folder: Path, turns: bool) -> None:
        self.turns, self.rng, self.n = turns, np.random.default_rng(0), 0
        self.log = PredictionLog(database, Blobs((folder / "b").as_uri()), folder / "log")
        events = EventLog(database, Keys.load_or_create(folder / "keys"))
        self.watch = Watch(database, self.log, events)
        self.predictions = SegmentWriter(folder / "log/predictions", "p")
        self.feedback = SegmentWriter(folder / "log/feedback", "f")
        self.known = self.frame(3_000, -1, False)
        self.reference = profile(self.known, SCHEMA)
        learned = encode_batches([self.known], self.known.height, SCHEMA)
        fit = quick_fit(SCHEMA, "logistic_regression", accuracy)
        self.champion = fit(History(learned.X, learned.y))

    def frame(self, n: int, day: int, moved: bool) -> pl.DataFrame:
        x = self.rng.normal(1.0 if moved else 0.0, 1, n)
        follows = -x if moved and self.turns else x
        times = (T0 + day * DAY + np.linspace(0, DAY - 1, n)).astype(np.int64)
        self.n += n
        return pl.DataFrame(
            {
                "id": [str(i) for i in range(self.n - n, self.n)],
                "t": pl.Series(times).cast(pl.Datetime("ms")),
                "x": x,
                "z": self.rng.normal(size=n),
                "y": follows + self.rng.normal(0, 0.5, n) > 0,
            }
        )

    def day(self, day: int, moved: bool, n: int = 800, judging: Judging | None = None) -> None:
        frame = self.frame(n, day, moved)
        answers = self.champion(frame)
        assert answers.proba is not None
        record = PredictionRecord(
            at=1,
            request=str(day),
            endpoint="e",
            version=1,
            arm="champion",
            ids=frame["id"].to_list(),
            times=frame["t"].cast(pl.Int64).to_list(),
            columns={name: frame[name].to_list() for name in ("x", "z")},
            y=[bool(code) for code in answers.pred],
            p=answers.proba.tolist(),
            ms=1.0,
        )
        self.predictions.append(encode_record(record))
        labels = FeedbackRecord(
            at=2, endpoint="e", ids=frame["id"].to_list(), labels=frame["y"].to_list()
        )
        self.feedback.append(encode_record(labels))
        self.log.ship()
        self.watch.tick(
            "e",
            SCHEMA,
            self.reference,
            Baseline("accuracy", 0.85, 0.84, 0.86),
            MonitorSpec(),
            lambda _: accuracy,
            now=T0 + (day + 1) * DAY,
            judging=judging,
        )

    def situation(self) -> Situation:
        trained = Considered(T0, self.known.height)
        found = gather(self.watch.windows, "e", 5_000, trained, trained)
        assert found is not None
        return found

    def grounds(self, situation: Situation, own: Own | None = None) -> Grounds:
        exclude = self.watch.windows.quarantined("e")
        sources = Sources(self.log, "e", SCHEMA, situation, self.known, T0, exclude)
        return grounds_of(sources, own=own)

    def probe(self, situation: Situation) -> Worth:
        grounds = self.grounds(situation)
        fit = quick_fit(SCHEMA, "logistic_regression", accuracy)
        return grounds.worth(fit, accuracy, "accuracy", 0.005)


@pytest.mark.parametrize(("turns", "action"), [(True, "cycle"), (False, "none")])
def test_a_drift_that_hurts_starts_a_cycle_and_one_that_does_not_is_left(
    sqlite_database: Database, tmp_path: Path, turns: bool, action: str
) -> None:
    world = World(sqlite_database, tmp_path, turns)
    for day in range(5):
        world.day(day, moved=day >= 1)
    situation = world.situation()
    assert [w.drifting for w in situation.windows][1:] == [("x", "(prediction)")] * 4 or all(
        "x" in w.drifting for w in situation.windows[1:]
    )
    assert needs_probe(situation, UpdateSpec())
    worth = world.probe(situation)
    # Three days and what was known before train; the last two days judge.
    assert (worth.rows, worth.trained_rows) == (1_600, 3_000 + 3 * 800)
    decision = decide(msgspec.structs.replace(situation, worth=worth), UpdateSpec())
    assert decision.action == action, decision.reason
    assert decision.cause["features"][0] in ("x", "(prediction)")


def test_alerts_that_were_considered_are_no_news(sqlite_database: Database, tmp_path: Path) -> None:
    world = World(sqlite_database, tmp_path, turns=False)
    for day in range(3):
        world.day(day, moved=day >= 1)
    alerts = world.watch.windows.alerts("e")
    assert alerts
    then = Considered(T0 + 3 * DAY, 5_000, max(alert.at for alert in alerts))
    after = gather(world.watch.windows, "e", 5_000, then, None)
    assert after is not None and after.alerts == ()
    assert not needs_probe(after, UpdateSpec())


def test_answers_of_other_versions_are_not_taken_for_the_champions(
    sqlite_database: Database, tmp_path: Path
) -> None:
    world = World(sqlite_database, tmp_path, turns=True)
    for day in range(3):
        world.day(day, moved=False)
    at = world.situation()

    def never(frame: pl.DataFrame) -> Answers:
        return Answers(np.zeros(frame.height, np.int64), np.tile([0.9, 0.1], (frame.height, 1)))

    told, asked = world.grounds(at), world.grounds(at, Own(2, never))
    assert told.judge is not None and told.judge.pred.any()
    assert asked.judge is not None and asked.learn is not None
    assert not asked.judge.pred.any() and not asked.learn.pred.any()
    assert asked.judge.proba is not None and np.all(asked.judge.proba[:, 1] == 0.1)
    assert np.array_equal(asked.judge.y, told.judge.y)
    own = world.grounds(at, Own(1, None)).judge
    assert own is not None and np.array_equal(own.pred, told.judge.pred)
    assert world.grounds(at, Own(2, None)).judge is None  # nobody can be asked


@pytest.mark.parametrize(
    ("versions", "state"),
    [({1, 2}, "waiting"), ({2}, "done")],  # a number that is not the model's is somebody else's
)
def test_a_window_is_not_scored_by_what_other_versions_answered(
    sqlite_database: Database, tmp_path: Path, versions: set[int], state: str
) -> None:
    world = World(sqlite_database, tmp_path, turns=True)  # version 1 answers
    judging = Judging(version=2, versions=frozenset(versions))
    world.day(0, moved=True, judging=judging)
    world.day(30, moved=True, judging=judging)  # its labels are due
    found = world.watch.windows.page("e")[-1].performance or {}
    assert found["state"] == state
    assert ("other versions than 2" in found.get("note", "")) == (state == "waiting")
    told = [a for a in world.watch.windows.alerts("e") if a.kind == "performance"]
    assert bool(told) == (state == "done")


def test_a_probe_without_new_windows_says_so(sqlite_database: Database, tmp_path: Path) -> None:
    world = World(sqlite_database, tmp_path, turns=True)
    world.day(0, moved=False, n=90)
    worth = world.probe(world.situation())
    assert not worth.enough and "only 90 labelled rows" in worth.summary()
    assert gather(world.watch.windows, "other", 0, None, None) is None
