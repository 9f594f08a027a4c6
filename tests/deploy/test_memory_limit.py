"""More models than fit in memory: loaded when asked for, let go when nobody asks."""

from __future__ import annotations

import asyncio
import threading

import pytest
from serving_harness import ROW

from everloop.deploy.serving import fleet as fleets
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.models import BASE
from everloop.deploy.state import Arm, package_path, state_path
from everloop.errors import NotFound, Unavailable

ROOM = 2.5 * BASE  # for two of the small models below, which take little more than BASE


@pytest.fixture
def made(project):
    """A fleet with room for two of the four endpoints that it knows."""
    project.want(**{f"e{n}": [Arm(1, project.linear(float(n)))] for n in range(4)})
    counts = Counts()
    fleet = Fleet(project.state, state_path(project.state), counts, int(ROOM))
    fleet.counts = counts
    return fleet


def loads_and_releases(made) -> tuple[float, float]:
    loads, _, releases, *_ = made.counts.numbers("models")
    return loads, releases


def answer(live) -> float:
    return live.champion.model.predictor.predict(live.champion.model.reader.read(BODY).X).y[0]


BODY = b'[{"x0": 1, "x1": 1, "x2": 1, "x3": 1}]'


def test_the_longest_unasked_goes(made):
    async def ask() -> None:
        await made.refresh()
        assert made.ready and list(made.endpoints) == ["e0", "e1"] and list(made.arms)
        for name, loaded in [("e0", "01"), ("e2", "02"), ("e3", "23"), ("e2", "23"), ("e1", "12")]:
            assert answer(await made.asked(name)) == pytest.approx(10.0 + int(name[1]))
            assert sorted(made.endpoints) == [f"e{n}" for n in loaded]
            assert made.models.resident <= ROOM
        await made.refresh()  # the same state changes nothing
        assert sorted(made.endpoints) == ["e1", "e2"]

    asyncio.run(ask())
    assert loads_and_releases(made) == (5, 3)


def test_what_an_answer_still_holds_takes_no_other_with_it(made):
    async def ask() -> None:
        await made.refresh()
        held = [(await made.asked("e0")).champion.model]
        await made.asked("e1")
        asyncio.get_running_loop().call_later(0.02, held.clear)
        await made.asked("e2")
        assert sorted(made.endpoints) == ["e1", "e2"]

    asyncio.run(ask())


def test_what_answers_stays_and_so_does_what_somebody_holds(made, monkeypatch):
    monkeypatch.setattr(fleets, "ROOM_S", 0.05)

    async def ask() -> None:
        await made.refresh()
        busy = [await made.asked(name) for name in ("e0", "e1")]
        for live in busy:
            await live.turns.take(None)
        with pytest.raises(Unavailable) as refused:
            await made.asked("e2")
        assert refused.value.code == "memory_in_use"
        busy[0].turns.give()
        with pytest.raises(Unavailable):  # a request that reads its body still holds it
            await made.asked("e2")
        assert answer(busy[0]) == pytest.approx(10.0)
        del busy[0], live
        assert answer(await made.asked("e2")) == pytest.approx(12.0)
        assert sorted(made.endpoints) == ["e1", "e2"]

    asyncio.run(ask())


def test_a_cold_model_is_loaded_once_for_all_who_ask(made):
    async def ask() -> None:
        await made.refresh()
        found = await asyncio.gather(*(made.asked("e3") for _ in range(20)))
        assert all(live is found[0] for live in found)

    asyncio.run(ask())
    assert loads_and_releases(made) == (3, 1)


def test_a_cold_model_that_is_damaged_is_told_of(made, project):
    broken = project.linear(3.0)
    (package_path(project.state, broken) / "model.onnx").write_bytes(b"no model")

    async def ask() -> None:
        await made.refresh()
        assert made.ready
        for _ in range(3):  # it is not read anew each time
            with pytest.raises(NotFound) as refused:
                await made.asked("e3")
        assert refused.value.code == "endpoint_not_loaded" and "bytes" in refused.value.message
        assert not made.ready
        assert answer(await made.asked("e2")) == pytest.approx(12.0)

    asyncio.run(ask())


def test_a_model_beyond_the_limit_is_refused_in_a_sentence(project):
    project.want(flights=[Arm(1, project.linear())])
    small = Fleet(project.state, state_path(project.state), Counts(), BASE // 2)
    asyncio.run(small.refresh())
    assert not small.ready
    with pytest.raises(NotFound, match="more than the 0 MB of settings"):
        small.get("flights")


def test_over_http_many_callers_and_a_new_version(project, start):
    names = [f"e{n}" for n in range(6)]
    project.want(**{name: [Arm(1, project.linear(float(n)))] for n, name in enumerate(names)})
    serving = start(EVERLOOP_SERVE_MEMORY_MB=str(ROOM / 1e6))
    wrong = []

    def ask(turn: int) -> None:
        for step in range(12):
            n = (turn + step) % 6
            said = serving.predict([ROW], f"e{n}")
            if said.status_code != 200 or said.json()["y_pred"] != pytest.approx([10.0 + n]):
                wrong.append(said.text)

    threads = [threading.Thread(target=ask, args=(turn,)) for turn in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    metrics = serving.http.get("/metrics").text
    value = {
        line.split()[0]: float(line.split()[1]) for line in metrics.splitlines() if "#" not in line
    }
    assert value["everloop_models_loaded"] == 2 and value["everloop_endpoints_cold"] == 4
    assert value["everloop_model_load_seconds_count"] >= 6
    assert value["everloop_models_resident_bytes"] <= value["everloop_models_limit_bytes"]
    said = serving.status()["endpoints"]
    assert sorted(said) == names and sum(one["loaded"] for one in said.values()) == 2
    assert sum(one["versions"]["1"]["champion"]["requests"] for one in said.values()) == 72
    fresh = {name: [Arm(2, project.linear(n + 50.0))] for n, name in enumerate(names)}
    serving.applied(project.want(**fresh))
    assert serving.predict([ROW], "e5").json()["y_pred"] == pytest.approx([65.0])
