"""The unmodified mlflow client as a process of its own: does what it is told and says how it went.

It reads one JSON object a line (`do`, `url` and arguments) and answers with one. Eight writers are
further processes of the same kind, each with its own client; they serve every server in turn.

Run by benchmarks/tracking.py with the interpreter that has mlflow.
"""

from __future__ import annotations

import functools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

WRITERS = 8
BATCH = 1000
HISTORY = 20_000
FILTER = "metrics.m1 > 0.5 and params.p2 = 'amber'"
ORDER = ["metrics.m3 DESC"]
WORDS = ("amber", "birch", "cedar", "dusk")


@functools.cache
def client(url: str) -> MlflowClient:
    return MlflowClient(url)


@functools.cache
def experiment(url: str, name: str) -> str:
    return str(client(url).create_experiment(name))


@functools.cache
def run_of(url: str, purpose: str) -> str:
    """A run to write to, one for each process and purpose."""
    return str(client(url).create_run(experiment(url, f"{purpose}-{os.getpid()}")).info.run_id)


_steps = iter(range(10**12))


def log_metric(url: str, seconds: float) -> float:
    """Calls of log_metric per second."""
    one, run = client(url), run_of(url, "log_metric")
    count, began = 0, time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        one.log_metric(run, "loss", 0.5, step=next(_steps))
        count += 1
    return count / (now - began)


def log_batch(url: str, seconds: float) -> float:
    """Points per second in batches of 1,000."""
    one, run = client(url), run_of(url, "log_batch")
    count, spent = 0, 0.0
    while spent < seconds:
        at = int(time.time() * 1000)
        batch = [Metric(f"m{i % 10}", i / 7, at, next(_steps)) for i in range(BATCH)]
        began = time.perf_counter()
        one.log_batch(run, metrics=batch)
        spent += time.perf_counter() - began
        count += len(batch)
    return count / spent


def whole_runs(url: str, seconds: float) -> float:
    """Runs per second by the fluent API: start, 20 params, 20 metrics, finish."""
    mlflow.set_tracking_uri(url)
    where = experiment(url, f"whole-{os.getpid()}")
    params = {f"p{i}": f"value {i}" for i in range(20)}
    metrics = {f"m{i}": i / 7 for i in range(20)}
    count, began = 0, time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        with mlflow.start_run(experiment_id=where):
            mlflow.log_params(params)
            mlflow.log_metrics(metrics)
        count += 1
    return count / (now - began)


def writers(url: str, seconds: float) -> float:
    """Calls of log_metric per second of eight processes together."""
    asked = {"do": "log_metric", "url": url, "seconds": seconds}
    tell({"do": "log_metric", "url": url, "seconds": 0.05})  # each has its run and its connection
    return float(sum(tell(asked)))


def log_artifact(url: str, seconds: float) -> float:
    """Calls of log_artifact per second, each with another file of 1 kB."""
    one, run = client(url), run_of(url, "log_artifact")
    count, spent = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        while spent < seconds:
            file = Path(folder, f"{next(_steps)}.bin")
            file.write_bytes(os.urandom(1000))
            began = time.perf_counter()
            one.log_artifact(run, str(file), "files")
            spent += time.perf_counter() - began
            count += 1
    return count / spent


def fill(url: str, runs: int) -> float:
    """Make what is searched: runs with 20 metrics and 20 params, and one long history."""
    began = time.perf_counter()
    where = experiment(url, "searched")
    shares = [list(range(runs))[i::WRITERS] for i in range(WRITERS)]
    tell(*[{"do": "fill_part", "url": url, "where": where, "numbers": part} for part in shares])
    one, run = client(url), run_of(url, "history")
    at = int(time.time() * 1000)
    for start in range(0, HISTORY, BATCH):
        one.log_batch(run, [Metric("loss", s / 7, at + s, s) for s in range(start, start + BATCH)])
    return time.perf_counter() - began


def fill_part(url: str, where: str, numbers: list[int]) -> int:
    one = client(url)
    for number in numbers:
        run = one.create_run(where, run_name=f"run {number}").info.run_id
        at = int(time.time() * 1000)
        metrics = [Metric(f"m{i}", (number * 37 + i) % 101 / 101, at, 0) for i in range(20)]
        params = [Param(f"p{i}", WORDS[(number + i) % 4]) for i in range(20)]
        one.log_batch(run, metrics=metrics, params=params)
    return len(numbers)


def search(url: str, repeats: int) -> float:
    """Milliseconds of a search for 100 runs."""
    where = [experiment(url, "searched")]
    return median(repeats, lambda: _expect(client(url).search_runs(where, max_results=100), 100))


def filtered(url: str, repeats: int) -> float:
    """Milliseconds of a search with a filter and an order."""
    where = [experiment(url, "searched")]
    one = client(url)
    return median(repeats, lambda: one.search_runs(where, FILTER, order_by=ORDER, max_results=20))


def paged(url: str, repeats: int) -> float:
    """Milliseconds to go through all runs, a hundred at a time."""
    where = [experiment(url, "searched")]

    def go() -> None:
        token, count = None, 0
        while True:
            page = client(url).search_runs(where, max_results=100, page_token=token)
            count, token = count + len(page), page.token
            if not token:
                break
        assert count == 301, count

    return median(repeats, go)


def history(url: str, repeats: int) -> float:
    """Milliseconds to read a metric's 20,000 points."""
    run = run_of(url, "history")
    one = client(url)
    return median(repeats, lambda: _expect(one.get_metric_history(run, "loss"), HISTORY))


def alone(url: str, what: str, repeats: int) -> float:
    """Milliseconds of the same requests without what the client makes of the answers."""
    session, api = requests.Session(), f"{url}/api/2.0/mlflow/"
    where = [experiment(url, "searched")]

    def search(**more: Any) -> bytes:
        asked = {"experiment_ids": where, "max_results": 100} | more
        answer = session.post(api + "runs/search", json=asked)
        assert answer.ok, answer.text
        return answer.content

    def paged() -> None:
        token: re.Match[bytes] | None = None
        while True:
            body = search(page_token=token[1].decode()) if token else search()
            token = re.search(rb'"next_page_token": *"([^"]+)"', body)
            if not token:
                return

    run = run_of(url, "history")
    history = {"run_id": run, "metric_key": "loss", "max_results": 25_000}
    calls: dict[str, Callable[[], object]] = {
        "search": search,
        "filtered": lambda: search(filter=FILTER, order_by=ORDER, max_results=20),
        "paged": paged,
        "history": lambda: session.get(api + "metrics/get-history", params=history).content,
    }
    return median(repeats, calls[what])


def names(url: str) -> dict[str, Any]:
    """What a constant reply needs to know."""
    return {
        "experiment": experiment(url, "searched"),
        "run": run_of(url, "history"),
        "filtered": {"filter": FILTER, "order_by": ORDER, "max_results": 20},
    }


def median(repeats: int, call: Callable[[], object]) -> float:
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


def _expect(found: Any, count: int) -> None:
    assert len(found) == count, len(found)


def tell(*asked: dict[str, Any]) -> list[Any]:
    """Ask every writer (the same, or each its own thing) at once; their answers."""
    team = _team()
    orders = asked * len(team) if len(asked) == 1 else asked
    for process, order in zip(team, orders, strict=True):
        assert process.stdin is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
    answers = []
    for process in team:
        assert process.stdout is not None
        answers.append(json.loads(process.stdout.readline())["value"])
    return answers


@functools.cache
def _team() -> list[subprocess.Popen[str]]:
    team = [
        subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(WRITERS)
    ]
    for process in team:
        assert process.stdout is not None
        process.stdout.readline()
    return team


DOES: dict[str, Callable[..., Any]] = {
    "log_metric": log_metric,
    "log_batch": log_batch,
    "whole_runs": whole_runs,
    "writers": writers,
    "log_artifact": log_artifact,
    "fill": fill,
    "fill_part": fill_part,
    "search": search,
    "filtered": filtered,
    "paged": paged,
    "history": history,
    "names": names,
}
for what in ("search", "filtered", "paged", "history"):
    DOES[what + "_alone"] = functools.partial(alone, what=what)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what mlflow prints is no answer
    print(json.dumps({"value": mlflow.__version__}), file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        value = DOES[order.pop("do")](**order)
        print(json.dumps({"value": value}), file=answers, flush=True)


if __name__ == "__main__":
    main()
