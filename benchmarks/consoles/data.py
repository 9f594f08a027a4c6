"""The same runs in everloop's tables and in MLflow's, written straight into each.

Every run has 20 metrics of one point and 5 params. The newest runs, those that are compared, have a
curve of 200 steps beside them, and the oldest run a curve of very many.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from everloop.store.database import Database

METRICS, PARAMS = 20, 5
COMPARED, STEPS = 20, 200
START = 1_700_000_000_000
FORMAT = 1
"""Of what is written; another makes it anew."""
EXPERIMENT = "scale"


@dataclass(frozen=True)
class Data:
    """How many runs, and how many points the long curve has."""

    runs: int
    points: int

    @property
    def compared(self) -> list[str]:
        return [run_id(n) for n in range(self.runs - 1, self.runs - 1 - COMPARED, -1)]

    def filtered(self) -> tuple[str, int, int]:
        """A filter, the newest run of all, and the newest that the filter leaves."""
        newest = self.runs - 1
        bound = max(1.0, metrics(newest)[1][1])  # it has to go: so one sees that it is done
        left = next(n for n in range(newest - 1, -1, -1) if metrics(n)[1][1] > bound)
        return f"metrics.m01 > {bound}", newest, left


def run_id(number: int) -> str:
    return f"{number + 1:032x}"


def name_of(number: int) -> str:
    return f"run-{number}"


def metrics(number: int) -> list[tuple[str, float]]:
    """Keys and values of a run."""
    pick = random.Random(number)
    return [(f"m{i:02}", pick.gauss(0, 1)) for i in range(METRICS)]


def params(number: int) -> list[tuple[str, str]]:
    """Keys and values of a run."""
    pick = random.Random(-number - 1)
    return [(f"p{i:02}", str(pick.randrange(10))) for i in range(PARAMS)]


def curves(data: Data) -> Iterator[tuple[int, str, int, float]]:
    """(run, key, step, value) of what has several steps."""
    pick = random.Random(7)
    for number in range(data.runs - COMPARED, data.runs):
        for step in range(STEPS):
            yield number, "curve", step, 1 / (1 + step / 20) + pick.gauss(0, 0.02)
    for step in range(data.points):
        yield 0, "long", step, 1 / (1 + step / (data.points / 20)) + pick.gauss(0, 0.05)


def newest_of_curves(data: Data) -> Iterator[tuple[int, str, int, float]]:
    last: dict[tuple[int, str], tuple[int, str, int, float]] = {}
    for point in curves(data):
        last[point[0], point[1]] = point
    yield from last.values()


def prepared(folder: Path, data: Data, write: Callable[[Path, Data], None]) -> Path:
    """A folder with the runs; it is written once and kept."""
    ready, wanted = folder / "ready", json.dumps([FORMAT, data.runs, data.points])
    if not ready.exists() or ready.read_text() != wanted:
        print(f"writing {data.runs:,} runs into {folder} …", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write(folder, data)
        ready.write_text(wanted)
    return folder


# -- everloop --------------------------------------------------------------------------------------


def write_everloop(folder: Path, data: Data) -> None:
    state = folder / ".everloop"
    state.mkdir()
    db = Database(f"sqlite:///{state / 'everloop.db'}")
    db.upgrade()
    db.close()
    every = range(data.runs)
    with _fast(state / "everloop.db") as into:
        into("experiments", "id,name,created,updated", [(1, EXPERIMENT, 0, 0)])
        into(
            "runs", 'number,id,experiment,name,"user",status,started,finished,location',
            ((n + 1, run_id(n), 1, name_of(n), "u", "FINISHED", START + n * 1000,
              START + n * 1000 + 500, f"mlflow-artifacts:/1/{run_id(n)}/artifacts")
             for n in every),
        )  # fmt: skip
        texts = "run,key,value,experiment"
        rows = ((n + 1, key, value, 1) for n in every for key, value in params(n))
        into("run_params", texts, rows)
        into("run_tags", texts, ((n + 1, "mlflow.runName", name_of(n), 1) for n in every))
        for table, more in (("run_metrics", ",experiment"), ("metric_points", "")):
            of = (1,) if more else ()
            stepped = newest_of_curves if more else curves
            columns = "run,key,step,at,value,nan" + more
            single = (
                (n + 1, key, 0, START + n, value, 0, *of)
                for n in every
                for key, value in metrics(n)
            )
            into(table, columns, single)
            points = (
                (n + 1, key, step, START + step, value, 0, *of)
                for n, key, step, value in stepped(data)
            )
            into(table, columns, points)


# -- MLflow ----------------------------------------------------------------------------------------


def write_mlflow(folder: Path, data: Data) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri())
    every = range(data.runs)
    with _fast(folder / "mlflow.db") as into:
        into(
            "experiments",
            "experiment_id,name,artifact_location,lifecycle_stage,creation_time,last_update_time",
            [(1, EXPERIMENT, (folder / "artifacts/1").as_uri(), "active", 1, 1)],
        )
        into(
            "runs",
            "run_uuid,name,source_type,source_name,entry_point_name,user_id,status,start_time,"
            "end_time,source_version,lifecycle_stage,artifact_uri,experiment_id",
            ((run_id(n), name_of(n), "LOCAL", "", "", "u", "FINISHED", START + n * 1000,
              START + n * 1000 + 500, "", "active",
              f"mlflow-artifacts:/1/{run_id(n)}/artifacts", 1) for n in every),
        )  # fmt: skip
        texts = "key,value,run_uuid"
        into("params", texts, ((*pair, run_id(n)) for n in every for pair in params(n)))
        into("tags", texts, (("mlflow.runName", name_of(n), run_id(n)) for n in every))
        columns = "key,value,timestamp,run_uuid,step,is_nan"
        for table, stepped in (("metrics", curves), ("latest_metrics", newest_of_curves)):
            single = ((*pair, START + n, run_id(n), 0, 0) for n in every for pair in metrics(n))
            into(table, columns, single)
            points = (
                (key, value, START + step, run_id(n), step, 0)
                for n, key, step, value in stepped(data)
            )
            into(table, columns, points)


Into = Callable[[str, str, Iterable[tuple[Any, ...]]], None]


@contextlib.contextmanager
def _fast(path: Path) -> Iterator[Into]:
    """Writes rows into tables of a SQLite file, without waiting for the disk."""
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA synchronous = OFF")

        def into(table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
            marks = ",".join("?" * len(columns.split(",")))
            left = iter(rows)
            while some := list(islice(left, 50_000)):
                conn.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", some)
            conn.commit()

        yield into
