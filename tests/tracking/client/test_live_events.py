"""Server-sent events of runs, from a server that is a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from logging_server import Server, running

import everloop as el
from everloop.loop.project import Project
from everloop.tracking.client.run import ActiveRun

Event = tuple[str, str, Any]


@pytest.fixture(autouse=True)
def state_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("EVERLOOP_SERVER", raising=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("live") / "there") as server:
        yield server


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Iterator[ActiveRun]:
    with el.start_run("e", dir=tmp_path, server=server.url) as run:
        yield run


@asynccontextmanager
async def alone(
    base: str, run: str, last: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """:func:`listening` with a client of its own."""
    async with httpx.AsyncClient(base_url=base) as client, listening(client, run, last) as events:
        yield events


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient, run: str, last: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a run as (id, kind, data)."""
    headers = {} if last is None else {"last-event-id": last}
    url = f"/api/v1/runs/{run}/live"
    async with client.stream("GET", url, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


async def until(events: AsyncIterator[Event], step: int) -> tuple[str, list[int]]:
    """The last event's id and the steps of the metric ``a``, up to ``step``."""
    got: list[int] = []
    async for id, kind, data in events:
        if kind == "points":
            got += [row[0] for row in data.get("a", ())]
            if step in got:
                return id, got
    return "", got


def test_what_happens_is_told_and_the_end_ends_it(server: Server, run: ActiveRun) -> None:
    async def listen() -> list[Event]:
        async with httpx.AsyncClient(base_url=server.url) as client:
            async with listening(client, run.id) as events:
                got = [await anext(events)]
                run.log({"a": 0.5, "b": float("nan")}, step=3)
                run.set_tags({"t": "1"})
                run.log_params({"p": 2})
                await asyncio.to_thread(run.finish)
                got += [event async for event in events]
            last = got[-1][0]
            url = f"/api/v1/runs/{run.id}/live"
            again = await client.get(url, headers={"last-event-id": last})
            assert again.status_code == 204
            # Who was away at the end is told it.
            late = await client.get(url, headers={"last-event-id": got[0][0]})
            assert "event: end" in late.text and '"a":[[3,' in late.text
        return got

    got = asyncio.run(listen())
    assert got[0][1] == "state" and got[0][2]["status"] == "RUNNING"
    found: dict[str, Any] = {}
    for _, kind, data in got:
        found.setdefault(kind, {}).update(data)
    assert [row[0] for row in found["points"]["a"]] == [3]
    assert found["points"]["b"][0][2] is None
    assert found["params"] == {"p": "2"} and found["tags"] == {"t": "1"}
    assert got[-1][1] == "end" and got[-1][2]["status"] == "FINISHED"
    assert len({id for id, _, _ in got}) == len(got)


def test_a_listener_that_comes_back_misses_nothing_and_gets_nothing_twice(
    server: Server, run: ActiveRun
) -> None:
    async def listen() -> list[int]:
        got: list[int] = []
        last: str | None = "0"
        async with httpx.AsyncClient(base_url=server.url) as client:
            for goal in (100, 200, 300):
                writing = asyncio.create_task(asyncio.to_thread(write, goal - 100))
                async with listening(client, run.id, last) as events:
                    last, seen = await until(events, goal - 50)
                got += seen
                await writing
            async with listening(client, run.id, last) as events:
                got += (await until(events, 299))[1]
        return got

    def write(first: int) -> None:
        for step in range(first, first + 100):
            run.log({"a": 1.0}, step=step)
            time.sleep(0.005)

    assert asyncio.run(listen()) == list(range(300))


def test_the_server_was_another_in_between(mortal: Server, tmp_path: Path) -> None:
    async def listen(last: str, step: int) -> tuple[str, list[int]]:
        async with alone(mortal.url, run.id, last) as events:
            return await until(events, step)

    run = el.start_run("e", dir=tmp_path, server=mortal.url)
    run.log({"a": 1.0}, step=0)
    run.flush()
    last, got = asyncio.run(listen("0", 0))
    mortal.kill()
    mortal.start()
    run.log({"a": 1.0}, step=1)
    assert got == [0]
    assert set(asyncio.run(listen(last, 1))[1]) >= {1}
    run.finish()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "mortal") as server:
        yield server


def test_fifty_listeners_hold_no_thread_and_all_hear(server: Server, run: ActiveRun) -> None:
    async def listen(client: httpx.AsyncClient, ready: asyncio.Semaphore) -> list[int]:
        async with listening(client, run.id) as events:
            await anext(events)
            ready.release()
            return (await until(events, 99))[1]

    async def all_of_them() -> list[list[int]]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=server.url, limits=limits) as client:
            ready = asyncio.Semaphore(0)
            tasks = [asyncio.create_task(listen(client, ready)) for _ in range(50)]
            for _ in tasks:
                await ready.acquire()
            for step in range(100):
                run.log({"a": 1.0}, step=step)
            for _ in range(20):  # more than the server has threads
                assert (await client.get("/api/v1/runs?limit=1")).status_code == 200
            return await asyncio.gather(*tasks)

    assert asyncio.run(all_of_them()) == [list(range(100))] * 50


def test_what_another_process_writes_is_heard(server: Server, run: ActiveRun) -> None:
    async def listen() -> list[int]:
        async with alone(server.url, run.id) as events:
            await anext(events)
            with Project.open(server.folder) as project:
                project.runs.log_metrics(run.id, {"a": 1.0}, step=7)
            return (await until(events, 7))[1]

    assert asyncio.run(listen()) == [7]


def test_bad_input(server: Server, run: ActiveRun) -> None:
    url = f"{server.url}/api/v1/runs/"
    assert httpx.get(f"{url}{'f' * 32}/live").status_code == 404
    for last in ("x", "1-2-3", "0" * 8 + "-1-" + "9" * 19, "é"):
        headers = {"last-event-id": last.encode()}
        answer = httpx.get(f"{url}{run.id}/live", headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 422, last


def test_the_server_ends_though_somebody_listens(mortal: Server, tmp_path: Path) -> None:
    async def listen() -> None:
        async with alone(mortal.url, run.id) as events:
            await anext(events)
            assert await asyncio.to_thread(mortal.kill, signal.SIGTERM) == 0
            assert [event async for event in events] == []

    run = el.start_run("e", dir=tmp_path, server=mortal.url)
    asyncio.run(listen())
    mortal.start()
    run.finish()
