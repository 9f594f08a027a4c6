"""Leases and their tokens, on both dialects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from everloop.errors import LeaseLost, Unavailable
from everloop.store import dialect
from everloop.store.database import Database
from everloop.store.leases import LeaseStore, under
from everloop.store.tables import datasets, leases
from waiting import wait_for


def store(db: Database, holder: str, seconds: float = 60) -> LeaseStore:
    return LeaseStore(db, holder, f"{holder}-before:", seconds)


def age(db: Database, ms: int) -> None:
    """Let the database's clock go on by so much, or back."""
    with db.write() as conn:
        conn.execute(sa.update(leases).values(until=leases.c.until - ms))


def write(db: Database) -> None:
    with db.write() as conn:
        conn.execute(sa.delete(datasets))


def test_one_holds_it_until_it_runs_out_and_the_token_only_grows(database: Database) -> None:
    one, two = store(database, "one"), store(database, "two")
    first = one.take("loop/a")
    assert first is not None and first.token == 1
    assert two.take("loop/a") is None
    assert two.take("loop/b") is not None
    age(database, 59_000)
    assert one.renew() == {("loop/a", 1)}  # for another 60 s
    age(database, 2_000)
    assert two.take("loop/a") is None
    age(database, 59_000)
    second = two.take("loop/a")
    assert second is not None and second.token == 2
    assert one.renew() == set()
    one.drop(first)  # it has nothing to give any more
    assert one.take("loop/a") is None
    two.drop(second)
    third = one.take("loop/a")
    assert third is not None and third.token == 3
    assert one.living("loop/") == {"loop/a": "one"}  # the other one has run out


def test_a_holder_that_was_overtaken_writes_nothing(database: Database) -> None:
    one, two = store(database, "one"), store(database, "two")
    first = one.take("loop/a")
    assert first is not None
    with under(database, first):
        write(database)
        age_of = ThreadPoolExecutor(1)
        age_of.submit(age, database, 61_000).result()
        write(database)  # it has run out, and nobody wanted it
        second = age_of.submit(two.take, "loop/a").result()
        assert second is not None
        with pytest.raises(LeaseLost, match="another controller"):
            write(database)
    write(database)  # under no lease
    # The same for all threads of a process, where it asks for that.
    with under(database, first, everywhere=True), pytest.raises(LeaseLost):
        age_of.submit(write, database).result()
    with under(database, second, everywhere=True):
        age_of.submit(write, database).result()


def test_nobody_takes_it_while_its_holder_writes(pg_url: str) -> None:
    """On SQLite a writer keeps all others out anyway."""
    db, other = Database(pg_url), Database(pg_url)
    try:
        lease = store(db, "one").take("loop/a")
        assert lease is not None
        age(db, 61_000)
        with under(db, lease), db.write():
            assert store(other, "two").take("loop/a") is None
        assert store(other, "two").take("loop/a") is not None
    finally:
        db.close()
        other.close()


def test_the_next_process_of_a_place_need_not_wait(database: Database) -> None:
    LeaseStore(database, "m:1", "m:", 60).take("loop/a")
    assert LeaseStore(database, "n:1", "n:", 60).take("loop/a") is None
    again = LeaseStore(database, "m:2", "m:", 60).take("loop/a")
    assert again is not None and again.token == 2


def test_a_clock_that_is_put_back_holds_nobody_up(database: Database) -> None:
    store(database, "one").take("loop/a")
    age(database, -3_600_000)
    assert store(database, "two").take("loop/a") is not None


def test_of_many_that_want_it_one_has_it(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: store(database, f"h{n}").take("loop/a"), range(8)))
    assert [one.token for one in taken if one is not None] == [1]


def test_a_holder_that_is_suspended_in_a_transaction_holds_nobody_up_for_long(
    pg_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "IDLE", "200ms")
    db, other = Database(pg_url), Database(pg_url)
    try:
        one = store(db, "one")
        assert one.take("loop/a") is not None
        age(db, 61_000)
        with pytest.raises(Unavailable), one._writing() as conn:
            conn.execute(sa.update(leases).values(lasts=1))
            assert store(other, "two").take("loop/a") is None
            assert wait_for(lambda: store(other, "two").take("loop/a"))
            conn.execute(sa.update(leases).values(lasts=1))
    finally:
        db.close()
        other.close()
