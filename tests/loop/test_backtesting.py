"""A stream whose rule turns: who retrains on new rows wins, and the same plan comes to the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from everloop.errors import InvalidInput
from everloop.loop.backtests.places import backtest_of, backtests, page_of
from everloop.loop.backtests.policies import parse_policy
from everloop.loop.backtests.records import Outcome, Plan
from everloop.loop.backtests.run import backtest, backtested, begin, folder_of, resumed
from everloop.loop.project import Project
from everloop.store.clock import now_ms

LOOP = """
[loop]
name = "flow"
[data]
source = "rows.csv"
target = "y"
time = "t"
[train]
candidates = ["logistic_regression"]
[evaluate]
metric = "accuracy"
[monitor]
within = false
multivariate = []
[deploy]
rollout = { kind = "canary" }
"""
NEWEST = {
    "newest": {
        "when": ["every 10d"], "method": "retrain", "window": "newest 20d", "approval": "human"
    },
}  # fmt: skip
PLAN = Plan(policies={"never": {}, **NEWEST}, windows=3, delay="1d", labels=0.9, approve_after="1d")


def write(folder: Path, rows: int = 1500, turns: float = 35.0) -> pl.DataFrame:
    """A hundred days; from day ``turns`` on ``y`` follows ``-x``."""
    rng = np.random.default_rng(0)
    days = np.sort(rng.uniform(0, 100, rows))
    x = rng.normal(size=rows)
    y = np.where(days > turns, -x, x) + rng.normal(0, 0.5, rows) > 0
    start = datetime(2024, 1, 1)
    times = [start + timedelta(days=float(day)) for day in days]
    frame = pl.DataFrame({"t": times, "x": x, "z": rng.normal(size=rows), "y": y})
    frame.write_csv(folder / "rows.csv")
    (folder / "everloop.toml").write_text(LOOP)
    return frame


def figures(one: Outcome) -> tuple[object, ...]:
    """What does not depend on the clock, nor on the policies beside it."""
    return one.scores, one.versions, one.events, one.verdicts, one.fits, one.score


class Killed(BaseException):
    pass


def test_a_stream_that_turns_and_a_backtest_that_is_cut_off(tmp_path: Path) -> None:
    write(tmp_path)
    with Project.open(tmp_path) as project:
        whole = backtested(project, PLAN)
        never, newest = whole.policies
        assert never.updates == never.fits == 0 and newest.updates >= 1 and newest.fits == 3
        assert newest.versions == [1, 1, 2] and set(never.versions) == {1}
        assert never.score is not None and newest.score is not None
        assert newest.score > never.score + 0.15 and whole.best == whole.choice == "newest"
        assert never.regret == pytest.approx(never.behind, abs=0.05)
        assert sum(span.rows for span in whole.windows) > 900 and len(whole.windows) == 3
        assert any("canary" in note for note in whole.notes)
        assert "People say yes after 1d." in whole.notes

        folder = folder_of(project, "again")
        begin(project, msgspec.structs.replace(PLAN, policies=NEWEST), folder)

        def tell(what: str, done: int, total: int | None) -> None:
            if done == 1:
                raise Killed

        with pytest.raises(Killed):
            resumed(project, "again", tell)
        listed = backtest_of(project, "again")
        assert (listed.state, listed.done, listed.total) == ("cut off", 1, 3)
        told: list[int] = []
        again = resumed(project, "again", lambda what, done, total: told.append(done))
        assert told == [0, 2, 3] and figures(again.policies[0]) == figures(newest)
        assert abs(now_ms() / 1000 - datetime.now().timestamp()) < 60
        assert resumed(project, "again") == again
        assert {one.state for one in backtests(project)} == {"done"}
        page = page_of(project, "again").decode()
        assert "newest 20d" in page and page.count("<svg") == 1 and "<script" not in page
        # Nothing of it reaches the project itself.
        assert project.cycles.page() == [] and project.windows.latest("flow") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"policies": {"q": {"whn": ["drift"]}}}, 'policies.q.whn: .* Did you mean "when"'),
        ({"policies": {"nevr": {}}}, 'Did you mean "never"'),
        (
            {"policies": {"q": {"when": ["every 1d"], "budget": ["1 cycles per 7d"]}}},
            "policies.q.budget: .*every 1d",
        ),
        ({"policies": {"pool": {}}}, "policies.pool.method: .*leaves"),
        ({"delay": "200d"}, "delay: got '200d'.* less than the stream lasts"),
        ({"delay": "soon"}, "delay: got 'soon'"),
        ({"windows": 1}, "windows: got 1"),
        ({"labels": 0.0}, "labels: got 0.0"),
        ({"loop": "flaw"}, "flaw"),
    ],
)
def test_a_plan_that_cannot_be(tmp_path: Path, change: dict[str, object], said: str) -> None:
    write(tmp_path, 300)
    with Project.open(tmp_path) as project, pytest.raises(Exception, match=said) as refused:
        begin(project, msgspec.structs.replace(PLAN, **change), folder_of(project, "one"))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / ".everloop/backtests/one").exists()


def test_a_stream_that_cannot_be_replayed(tmp_path: Path) -> None:
    rows = write(tmp_path, 300)
    loop = tmp_path / "everloop.toml"

    def refused(frame: pl.DataFrame, text: str = LOOP) -> str:
        frame.write_parquet(tmp_path / "other.parquet")
        loop.write_text(text)
        with pytest.raises(InvalidInput) as error:
            backtest("other.parquet", dir=tmp_path, policies=["never"], windows=4, delay="0s")
        return str(error.value)

    assert "data.time" in refused(rows, LOOP.replace('time = "t"', ""))
    assert "no label at all" in refused(rows.with_columns(y=pl.lit(None, pl.Boolean)))
    assert "True in every row" in refused(rows.with_columns(y=True))
    early = rows.with_columns(y=pl.when(pl.int_range(300) < 150).then(True).otherwise(rows["y"]))
    assert "before the first window" in refused(early)
    assert "rows in 1 of" in refused(pl.concat([rows.head(70), rows.tail(1)]))
    assert "60 or more" in refused(rows.tail(60))
    assert 'Did you mean "yy"' in refused(rows.rename({"y": "yy"}).with_columns(q=1))
    assert not list((tmp_path / ".everloop").glob("backtests/*"))


def test_policies_on_the_command_line() -> None:
    assert parse_policy("never") == {"never": {}}
    assert parse_policy('q = {when = ["every 90d"]}') == {"q": {"when": ["every 90d"]}}
    for text in ("q = 3", "q = {when", "= 1"):
        with pytest.raises(InvalidInput):
            parse_policy(text)
