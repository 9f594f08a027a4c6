"""Several workers behind one port."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import threading

import psutil
import pytest
from serving_harness import ROW

from everloop.deploy.serving.arguments import worker_count
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.limits import ACTIVE, WAITING, Turns
from everloop.deploy.serving.standing import read_standing
from everloop.deploy.serving.tally import CELLS, CHUNK, RECORD, Others, Tally, read_all
from everloop.deploy.state import Arm
from everloop.errors import EverloopError, InvalidInput
from everloop.settings import Settings, load_settings
from waiting import wait_for

BODY = json.dumps([ROW])


def workers(serving) -> list[int]:
    """Their process ids."""
    return [child.pid for child in psutil.Process(serving.process.pid).children()]


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) for pid in pids)


def ask(serving, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    """Over a connection of its own, which any of them may take."""
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metric(serving, name: str) -> float:
    text = ask(serving, "GET", "/metrics")[1]
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_one_is_killed_again_and_again_while_all_answer(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(project.folder, "--workers", "2", "--json")
    assert json.loads(serving.ready_line) == {"ready": True, "url": serving.url, "workers": 2}
    answered, refused, done = [0] * 4, [], threading.Event()

    def ask_on(place: int) -> None:
        while not done.is_set():
            try:
                status, said = ask(serving, "POST", "/predict", BODY)
            except (OSError, http.client.HTTPException) as error:
                refused.append(str(error))
                continue
            assert status == 200, said
            answered[place] += 1

    threads = [threading.Thread(target=ask_on, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        before, victim = sum(answered), workers(serving)[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda v=victim: len(workers(serving)) == 2 and v not in workers(serving))
        wait_for(lambda n=before: sum(answered) > n + 50)
    done.set()
    for thread in threads:
        thread.join()
    assert len(refused) <= 8  # what the killed ones had taken: never more than the callers
    for counted in (len(serving.records()), metric(serving, "everloop_requests_total")):
        assert sum(answered) <= counted <= sum(answered) + len(refused)
    last = workers(serving)
    assert serving.stop() == 0 and gone(last)


def test_they_count_swap_and_unload_as_one(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(EVERLOOP_SERVE_WORKERS="2")
    for n in range(40):
        assert ask(serving, "POST", "/predict", BODY)[0] == 200, n
    said = serving.status()["endpoints"]["flights"]
    assert said["versions"]["1"]["champion"]["requests"] == 40
    assert said["codes"] == {"200": 40}
    wait_for(lambda: metric(serving, "everloop_models_loaded") == 2)
    revision = project.want(flights=[Arm(2, project.linear(5.0))])
    serving.applied(revision)
    found = {ask(serving, "POST", "/predict", BODY) for _ in range(20)}
    assert len(found) == 1
    folder = project.state / "serving"
    wait_for(lambda: read_standing(folder).revision == revision)
    assert read_standing(folder).pid == serving.process.pid
    assert serving.http.post("/v2/repository/models/flights/unload").status_code == 200
    model = "/v2/models/flights"
    wait_for(lambda: all(ask(serving, "GET", model)[0] == 404 for _ in range(8)))
    last = workers(serving)
    serving.process.kill()
    serving.process.wait()
    wait_for(lambda: gone(last))  # they end with their parent


def test_how_many():
    with pytest.raises(InvalidInput, match="from 1 to 256"):
        load_settings({"serve_workers": 0})
    assert worker_count("auto", Settings()) >= 1
    assert worker_count("", load_settings({"serve_workers": 3})) == 3


def test_a_tally_goes_on_where_it_was(tmp_path):
    path = tmp_path / "0.tally"
    first = Tally(path)
    many = CHUNK // RECORD + 3  # more than a piece of the file holds
    for n in range(many):
        first.cells("n", n)[0] += n
        first.cells("n", "x" * RECORD, n)[0] += 1  # too long a name for the file
    first.cells("n", 1)[CELLS - 1] += 0.5
    again = Tally(path)
    again.cells("n", 2)[0] += 10
    again.cells("fresh", "ü")[0] = 1
    found = read_all([path, tmp_path / "none.tally"], {("n", 3): [1.0] * CELLS})
    assert [found["n", n][0] for n in range(many)] == [0, 1, 12, 4, *range(4, many)]
    assert (found["n", 1][CELLS - 1], found["fresh", "ü"][0]) == (0.5, 1.0)
    assert Counts(Tally(), [path]).total().numbers("other") == [0.0] * CELLS


def test_a_full_worker_uses_what_the_others_leave(tmp_path):
    paths = [tmp_path / f"{slot}.tally" for slot in range(2)]
    key = ("now", "endpoint", "flights")
    tallies = [Tally(path) for path in paths]
    full, idle = (
        Turns(4, 2, 2, tally.cells(*key), Others([other], *key))
        for tally, other in zip(tallies, reversed(paths), strict=True)
    )

    async def scenario() -> None:
        assert [full.take_free() for _ in range(5)] == [True] * 4 + [False]
        waiting = [asyncio.create_task(full.take(None)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(EverloopError) as refusal:  # all of the queue is in use
            await full.take(None)
        assert refusal.value.code == "overloaded"
        assert [idle.take_free() for _ in range(3)] == [True, True, False]  # its own part is left
        full.give()
        full.give()
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [False, False]  # what was lent is given back
        full.give()
        await waiting[0]
        idle.give()
        full.give()
        await waiting[1]
        told = read_all(paths)[key]
        assert (told[ACTIVE], told[WAITING]) == (full.active + idle.active, 0) == (3, 0)

    asyncio.run(scenario())


def test_one_that_has_not_begun_uses_nothing(tmp_path):
    others = Others([tmp_path / "none.tally", tmp_path / "empty.tally"], "now", "a")
    (tmp_path / "empty.tally").touch()
    assert others.sum(0) == 0
    Tally(tmp_path / "none.tally").cells("now", "a")[0] = 3
    wait_for(lambda: others.sum(0) == 3)  # it is looked for again
