"""Native logging: how long `run.log` takes, and points acknowledged per second on one connection.

Beside it the ceilings: the same records to a server that answers a constant, and the same rows
into the same table of a bare SQLite. An acknowledged point is in a committed transaction.

Run: python benchmarks/native_logging.py [--points 1000000] [--database-url postgresql://…]
"""

from __future__ import annotations

import argparse
import http.server
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

import everloop as el
from everloop.tracking.client.remote import ServerTarget
from everloop.tracking.wire import Begin, Columns, Record

KEYS = [f"metric_{i}" for i in range(10)]
BATCH = 10_000


class Constant(http.server.BaseHTTPRequestHandler):
    """Reads the body, answers always the same: what client and connection cost alone."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        answer = b'{"new":true}'
        self.send_response_only(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@contextmanager
def process(command: list[str], port: int, **environ: str) -> Iterator[str]:
    """A server of its own process, up when it accepts connections."""
    started = subprocess.Popen(
        [sys.executable, *command], stderr=subprocess.DEVNULL, env={**os.environ, **environ}
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        started.terminate()
        started.wait(30)


def latencies(folder: Path, metrics: int, calls: int = 50_000) -> list[float]:
    """Microseconds of each call of `run.log`, at about 20,000 a second."""
    values = dict.fromkeys(KEYS[:metrics], 0.5)
    taken = []
    with el.start_run("latency", dir=folder, server="") as run:
        for step in range(calls):
            began = time.perf_counter_ns()
            run.log(values, step=step)
            taken.append((time.perf_counter_ns() - began) / 1000)
            while time.perf_counter_ns() - began < 50_000:
                pass
    return sorted(taken)


def logged(url: str, points: int) -> float:
    """Points per second from the first `log` to the last acknowledgement."""
    with el.start_run("throughput", server=url) as run:
        began = time.perf_counter()
        for step in range(points // len(KEYS)):
            run.log(dict.fromkeys(KEYS, step * 0.5), step=step)
        assert run.flush(60)
        return points / (time.perf_counter() - began)


def records(points: int) -> tuple[str, list[bytes]]:
    """The first record of a run and the ones with its points, as a client writes them."""
    run, client = uuid.uuid4().hex, uuid.uuid4().hex
    made = [Record(client=client, sequence=1, run=run, begin=Begin("raw"))]
    index = array("I", [i % len(KEYS) for i in range(BATCH)]).tobytes()
    for batch in range(points // BATCH):
        first = batch * BATCH // len(KEYS)
        steps = [first + i // len(KEYS) for i in range(BATCH)]
        columns = Columns(
            KEYS,
            index,
            array("q", [1_700_000_000_000 + step for step in steps]).tobytes(),
            array("q", steps).tobytes(),
            array("d", [step * 0.5 for step in steps]).tobytes(),
        )
        made.append(Record(client=client, sequence=batch + 2, run=run, points=columns))
    return run, [msgspec.msgpack.encode(record) for record in made]


def sent(url: str, points: int) -> float:
    """Points per second of ready-made records, each sent when the one before is acknowledged."""
    run, made = records(points)
    target = ServerTarget(url)
    target.send(run, made[0])
    began = time.perf_counter()
    for record in made[1:]:
        target.send(run, record)
    rate = points / (time.perf_counter() - began)
    target.close()
    return rate


def bare_sqlite(folder: Path, points: int) -> float:
    """Points per second of `executemany`, a transaction for each batch."""
    conn = sqlite3.connect(folder / "bare.db", isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute(
        "CREATE TABLE p (run BIGINT, key VARCHAR, at BIGINT, step BIGINT, value FLOAT, nan BOOLEAN,"
        " PRIMARY KEY (run, key, at, step, value, nan)) WITHOUT ROWID"
    )
    spent = 0.0
    for first in range(0, points, BATCH):
        rows = [
            (1, KEYS[i % 10], 1_700_000_000_000 + i // 10, i // 10, i * 0.05, 0)
            for i in range(first, first + BATCH)
        ]
        began = time.perf_counter()
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany("INSERT OR IGNORE INTO p VALUES (?, ?, ?, ?, ?, ?)", rows)
        conn.execute("COMMIT")
        spent += time.perf_counter() - began
    conn.close()
    return points / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--database-url", default="", help="PostgreSQL instead of SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"XDG_STATE_HOME": name}
        os.chdir(folder)
        console = Console()
        table = Table("run.log", "median µs", "p99 µs", "p99.9 µs", "max µs", box=None)
        for metrics in (1, 10):
            taken = latencies(folder / "local", metrics)
            cells = (taken[int(len(taken) * q)] for q in (0.5, 0.99, 0.999))
            table.add_row(f"{metrics} metrics", *(f"{c:.1f}" for c in cells), f"{taken[-1]:.0f}")
        console.print(table)

        table = Table("one connection", "points/s", box=None)

        def median(rate: Callable[[str, int], float], url: str) -> str:
            rates = [rate(url, options.points) for _ in range(options.repeats)]
            return f"{statistics.median(rates):,.0f}"

        port = _free()
        command = ["-m", "everloop.server", "--dir", name, "--port", str(port), "--no-controller"]
        environ = {"EVERLOOP_DATABASE_URL": options.database_url} if options.database_url else {}
        with process(command, port, **environ) as url:
            table.add_row("run.log … flush, acknowledged", median(logged, url))
            table.add_row("ready-made records, acknowledged", median(sent, url))
        port = _free()
        with process([__file__, "constant", str(port)], port) as url:
            table.add_row("the same to a constant reply", median(sent, url))
        table.add_row("bare SQLite, executemany", f"{bare_sqlite(folder, options.points):,.0f}")
        console.print(table)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["constant"]:
        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Constant).serve_forever()
    main()
