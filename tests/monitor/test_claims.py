"""Each window is evaluated once, whoever looks, and by another where the first one is gone."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from stream_of_days import BASELINE, SCHEMA, SPEC, T0, Stream, accuracy

from everloop.errors import Conflict
from everloop.monitor import watch
from everloop.monitor.claims import Claim
from everloop.monitor.spans import DAY
from everloop.monitor.watch import Watch
from everloop.store.database import Database
from everloop.store.tables import window_claims


@pytest.fixture
def stream(database: Database, tmp_path: Path) -> Stream:
    found = Stream(database, tmp_path)
    for day in range(3):
        found.day(day)
    return found


def test_of_two_lookers_one_evaluates_and_the_other_waits(
    stream: Stream, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect, looked, both = watch.inspect, [], threading.Barrier(2)

    def counted(endpoint: str, start: int, *rest: Any) -> Any:
        looked.append((start - T0) // DAY)
        return inspect(endpoint, start, *rest)

    monkeypatch.setattr(watch, "inspect", counted)
    stream.log.ship()

    def look(one: Watch) -> None:
        both.wait(timeout=30)
        one.tick("e", SCHEMA, stream.reference, BASELINE, SPEC, lambda _: accuracy)

    watches = [Watch(database, stream.log, stream.events) for _ in range(2)]
    threads = [threading.Thread(target=look, args=(one,)) for one in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert looked == [0, 1]
    assert [window.start for window in stream.windows.page("e")] == [T0 + DAY, T0]


def test_who_lost_the_claim_stores_nothing_and_another_takes_over(
    stream: Stream, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect, other = watch.inspect, Claim(database, "e")

    def held_up(*given: Any) -> Any:
        with database.write() as conn:  # so long that the lease ran out
            conn.execute(sa.update(window_claims).values(until=0))
        assert other.take()
        return inspect(*given)

    with monkeypatch.context() as patch:
        patch.setattr(watch, "inspect", held_up)
        with pytest.raises(Conflict, match="another process looks at them"):
            stream.tick()
    assert stream.windows.latest("e") is None
    assert not Claim(database, "e").take()
    other.drop()
    stream.tick()
    assert len(stream.windows.page("e")) == 2
