"""Two servers on one PostgreSQL and one S3, and sixteen writers that use both of them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

import everloop
from everloop.registry.signing import Keys
from everloop.server.child import answers_ready
from everloop.store.database import Database
from everloop.store.events import EventLog
from ports import free_port
from waiting import wait_for

PROCESSES, THREADS, ROUNDS = 4, 4, 5
POINTS = 20  # of a batch
MLFLOW = "/api/2.0/mlflow"


class Writer:
    """A user with both servers at hand: each request goes to the other one than the last."""

    def __init__(self, urls: list[str], number: int) -> None:
        self.clients = [httpx.Client(base_url=url, timeout=120) for url in urls]
        self.number = number
        self.sent = number

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        self.sent += 1
        answer = self.clients[self.sent % 2].post(path, json=body)
        assert answer.status_code < 500, answer.text
        return answer

    def must(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.post(path, body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def write(self, shared: str) -> dict[str, Any]:
        """What one writer does; gives what the servers told it alone."""
        versions, made, runs = [], [], []
        for round in range(ROUNDS):
            name = f"round-{round}"
            answer = self.post(f"{MLFLOW}/experiments/create", {"name": name})
            if answer.status_code == 200:
                made.append((name, answer.json()["experiment_id"]))
            else:
                assert answer.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
            runs.append(self.whole_run(name, round))
            self.batches(shared, round)
            version = self.must(
                f"{MLFLOW}/model-versions/create", {"name": "m", "source": f"runs:/{shared}/model"}
            )
            versions.append(int(version["model_version"]["version"]))
        own = self.post(
            f"{MLFLOW}/runs/log-parameter",
            {"run_id": shared, "key": "winner", "value": str(self.number)},
        )
        return {
            "versions": versions,
            "made": made,
            "runs": runs,
            "won": own.status_code == 200,
            "native": self.native(),
        }

    def whole_run(self, experiment: str, round: int) -> str:
        """A run begun twice with one id, as by a client that lost the first answer."""
        run = f"{self.number:016x}{round:016x}"
        for _ in range(2):
            body = {"experiment": experiment, "run": run, "params": {"writer": self.number}}
            assert self.must("/api/v1/runs", body)["id"] == run
        for step in range(4):
            point = {"run_id": run, "key": "m", "value": step, "timestamp": step, "step": step}
            self.must(f"{MLFLOW}/runs/log-metric", point)
        self.must(f"{MLFLOW}/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 9})
        return run

    def batches(self, run: str, round: int) -> None:
        """Points of one's own and points that everybody logs, sent to one server and the other."""
        steps = range(round * POINTS, (round + 1) * POINTS)
        mine = [_metric(f"own-{self.number}", step) for step in steps]
        everyones = [_metric("everybody", step) for step in steps]
        order = -1 if self.number % 2 else 1
        for _ in range(2):
            body = {"run_id": run, "metrics": (mine + everyones)[::order]}
            self.must(f"{MLFLOW}/runs/log-batch", body)

    def native(self) -> str:
        """A run of our own client."""
        server = str(self.clients[self.number % 2].base_url)
        with everloop.start_run("native", server=server) as run:
            for step in range(200):
                run.log({"loss": step * 0.5}, step=step)
        return run.id


def _metric(key: str, step: int) -> dict[str, Any]:
    return {"key": key, "value": step * 0.25, "timestamp": 1000 + step, "step": step}


def work(urls: list[str], shared: str, process: int) -> list[dict[str, Any]]:
    """The writers of one process."""
    numbers = range(process * THREADS, (process + 1) * THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda number: Writer(urls, number).write(shared), numbers))


@pytest.fixture
def urls(
    tmp_path: Path, pg_url: str, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """The addresses of two servers, each in a folder of its own, with the same keys."""
    environment = os.environ | {"EVERLOOP_DATABASE_URL": pg_url, "EVERLOOP_BLOBS_URL": s3_url}
    Keys.load_or_create(tmp_path / "keys")
    with ExitStack() as stack:
        ports = []
        for name in ("one", "two"):
            folder = tmp_path / name
            shutil.copytree(tmp_path / "keys", folder / ".everloop" / "keys")
            port = free_port()
            command = [sys.executable, "-m", "everloop.server", "--dir", str(folder)]
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, "--port", str(port), "--no-controller"],
                    env=environment, stdout=log, stderr=log,
                )
            )  # fmt: skip
            stack.callback(process.terminate)
            ports.append(port)
        for port in ports:
            wait_for(lambda port=port: answers_ready(("127.0.0.1", port)))
        yield [f"http://127.0.0.1:{port}" for port in ports]


@pytest.fixture
def clients(urls: list[str]) -> Iterator[list[httpx.Client]]:
    with ExitStack() as stack:
        yield [stack.enter_context(httpx.Client(base_url=url, timeout=60)) for url in urls]


def history(client: httpx.Client, run: str, key: str) -> list[tuple[int, float]]:
    """Steps and values of a metric, page by page."""
    found: list[tuple[int, float]] = []
    token = ""
    while True:
        query = {"run_id": run, "metric_key": key, "max_results": 37, "page_token": token}
        page = client.get(f"{MLFLOW}/metrics/get-history", params=query).json()
        found += [(int(one["step"]), one["value"]) for one in page.get("metrics", [])]
        token = page.get("next_page_token", "")
        if not token:
            return found


def test_sixteen_writers_on_two_servers(
    urls: list[str], clients: list[httpx.Client], pg_url: str, tmp_path: Path
) -> None:
    clients[0].post(f"{MLFLOW}/registered-models/create", json={"name": "m"}).raise_for_status()
    made = clients[1].post(f"{MLFLOW}/runs/create", json={"experiment_id": "0"}).json()
    shared = made["run"]["info"]["run_id"]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        futures = [pool.submit(work, urls, shared, number) for number in range(PROCESSES)]
        told = [writer for future in futures for writer in future.result()]
    writers = PROCESSES * THREADS

    # No version number is given twice, and none is left out.
    versions = sorted(number for one in told for number in one["versions"])
    assert versions == list(range(1, writers * ROUNDS + 1))
    # One experiment for each name.
    created = dict(pair for one in told for pair in one["made"])
    for number in range(ROUNDS):
        query = {"experiment_name": f"round-{number}"}
        found = {
            client.get(f"{MLFLOW}/experiments/get-by-name", params=query).json()["experiment"][
                "experiment_id"
            ]
            for client in clients
        }
        assert len(found) == 1
        assert created.get(f"round-{number}", *found) in found
    assert len([pair for one in told for pair in one["made"]]) == len(created)
    # No point is lost or doubled.
    total = POINTS * ROUNDS
    for key in ["everybody", *(f"own-{number}" for number in range(writers))]:
        expected = [(step, step * 0.25) for step in range(total)]
        assert history(clients[len(key) % 2], shared, key) == expected
    run = clients[0].get(f"/api/v1/runs/{shared}").json()
    assert {point["value"] for point in run["metrics"].values()} == {(total - 1) * 0.25}
    # Of the values of one param one has won, and its writer was told so.
    assert [number for number, one in enumerate(told) if one["won"]] == [
        int(run["params"]["winner"])
    ]
    for number, one in enumerate(told):
        for own in one["runs"]:
            found = clients[0].get(f"/api/v1/runs/{own}").json()
            assert (found["status"], found["params"]) == ("FINISHED", {"writer": str(number)})
            assert history(clients[1], own, "m") == [(step, step) for step in range(4)]
        native = clients[1].get(f"/api/v1/runs/{one['native']}").json()
        assert native["status"] == "FINISHED"
        assert history(clients[0], one["native"], "loss") == [(s, s * 0.5) for s in range(200)]
    assert len(clients[0].get("/api/v1/experiments").json()["items"]) == ROUNDS + 2
    db = Database(pg_url)
    audit = EventLog(db, Keys.load(tmp_path / "keys")).verify()
    db.close()
    assert audit.ok, audit.reason


def test_what_one_server_keeps_the_other_gives(clients: list[httpx.Client]) -> None:
    one, two = clients
    path = "/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/model"
    data = os.urandom(3_000_000)
    assert one.put(f"{path}/weights", content=data).status_code == 200
    assert two.put(f"{path}/copy", content=data).status_code == 200
    assert two.get(f"{path}/weights").content == data
    assert one.get(f"{path}/copy", headers={"range": "bytes=10-19"}).content == data[10:20]
    listed = two.get(
        "/api/2.0/mlflow-artifacts/artifacts", params={"path": "0/run/artifacts/model"}
    ).json()
    assert [file["path"] for file in listed["files"]] == ["copy", "weights"]
    assert one.delete(f"{path}/copy").status_code == 200
    assert two.get(f"{path}/copy").status_code == 404
    assert two.get(f"{path}/weights").content == data
