"""The reverse case: a stream that hardly changes, in which a loop must keep its hands still."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from loop_stream import Traffic, carry_out

import everloop as el
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop
from everloop.loop.watching import look

LOOP = {
    "loop": {"name": "census"},
    "data": {
        "source": "known.parquet",
        "target": "employed",
        "time": "surveyed_at",
        "id": "id",
        "ignore": ["year"],
    },
    "train": {"candidates": ["lightgbm"]},
    "evaluate": {"metric": "accuracy"},
    "monitor": {"window": "30d", "performance": {"labels_after": "0s"}},
}


def test_the_census_needs_no_new_model(tmp_path: Path) -> None:
    """Train on 2015 and 2016, answer 2017, and look at each month with its labels.

    Every fourth person: a month is 1,450 rows. All of them go round in ``benchmarks/monitored.py``.
    """
    persons = el.datasets.census().gather_every(4)
    persons.filter(pl.col("year") <= 2016).write_parquet(tmp_path / "known.parquet")
    loop = el.declare(tmp_path, el.from_dict(LOOP).declaration)
    with loop.project as project:
        first = carry_out(project, loop.run(wait=False))
        assert first.verdict == "promoted", first.reason
        traffic = Traffic(project, "census")
        months = persons.filter(pl.col("year") == 2017).with_columns(
            month=pl.col("surveyed_at").dt.truncate("1mo")
        )
        by_month = months.group_by("month", maintain_order=True)
        seen = [_month(loop, traffic, month) for _, month in by_month]
        cycles = [cycle for cycle in seen if cycle is not None]
        assert {cycle.verdict for cycle in cycles} <= {"not_worth_it"}, cycles
        assert project.registry.aliases("census") == {"champion": 1}
        assert len(project.registry.versions("census")) == 1
        scored = [w for w in project.windows.since("census", 0) if w.performance]
        assert len(scored) >= 10 and not any(w.quarantined or w.worse for w in scored)


def _month(loop: Loop, traffic: Traffic, month: pl.DataFrame) -> Cycle | None:
    traffic.send(month, target="employed", time="surveyed_at")
    cycle = look(loop.project, loop.declaration, actor="controller").cycle
    return None if cycle is None else carry_out(loop.project, cycle)
