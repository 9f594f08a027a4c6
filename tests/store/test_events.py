from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from everloop.errors import Integrity, InvalidInput
from everloop.registry.signing import Keys
from everloop.store.audit import Audit
from everloop.store.chain import GENESIS, event_hash, head_message, read_head
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.tables import event_head, events

SIZE = 7


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.load_or_create(tmp_path / "keys")


@pytest.fixture
def log(database: Database, keys: Keys) -> EventLog:
    return EventLog(database, keys)


def append(log: EventLog, number: int, subject: str = "model:m") -> int:
    with log.transaction() as conn:
        return log.append(
            conn, actor="ann", kind="test.done", subject=subject, payload={"number": number}
        )


@pytest.fixture
def filled(log: EventLog) -> EventLog:
    assert [append(log, n) for n in range(1, SIZE + 1)] == list(range(1, SIZE + 1))
    return log


def execute(log: EventLog, *statements: Any) -> None:
    with log.db.write() as conn:
        for statement in statements:
            conn.execute(statement)


def rechain(log: EventLog, start: int) -> None:
    """What an intruder with the database, but without the key, can do: mend all hashes."""
    with log.db.write() as conn:
        rows = conn.execute(sa.select(events).order_by(events.c.seq)).all()
        link = GENESIS
        for r in rows:
            if r.seq >= start:
                new = event_hash(link, r.seq, r.at, r.actor, r.kind, r.subject, r.payload)
                conn.execute(
                    sa.update(events).where(events.c.seq == r.seq).values(previous=link, hash=new)
                )
                link = new
            else:
                link = r.hash
        conn.execute(sa.update(event_head).values(seq=rows[-1].seq, hash=link))


def changed(seq: int) -> Any:
    return sa.update(events).where(events.c.seq == seq).values(payload='{"number":0}')


def deleted(*seqs: int) -> Any:
    return sa.delete(events).where(events.c.seq.in_(seqs))


def row(seq: int, previous: str = GENESIS) -> Any:
    values = (seq, 1, "eve", "test.done", "model:m", "{}")
    names = ("seq", "at", "actor", "kind", "subject", "payload")
    made = {"previous": previous, "hash": event_hash(previous, *values)}
    return sa.insert(events).values(dict(zip(names, values, strict=True)) | made)


def test_an_untouched_log_is_good(filled: EventLog) -> None:
    last = filled.latest(1)[0]
    assert filled.verify() == Audit(
        True, SIZE, None, f"{SIZE} events, each as it was written", f"{SIZE}:{last.hash}"
    )


def test_an_empty_log_is_good(log: EventLog) -> None:
    assert log.verify() == Audit(True, 0, None, "0 events, each as it was written", f"0:{GENESIS}")
    assert log.page() == []


def insert_shifted(log: EventLog) -> None:
    """Put a row between 3 and 4: the later ones move up by one."""
    with log.db.write() as conn:
        for seq in range(SIZE, 3, -1):
            conn.execute(sa.update(events).where(events.c.seq == seq).values(seq=seq + 1))
        conn.execute(row(4))


def swap(log: EventLog) -> None:
    execute(
        log,
        sa.update(events).where(events.c.seq == 3).values(seq=99),
        sa.update(events).where(events.c.seq == 4).values(seq=3),
        sa.update(events).where(events.c.seq == 99).values(seq=4),
    )


def rechain_after(log: EventLog, change: Any) -> None:
    execute(log, change)
    rechain(log, 1)


def rechain_under_old_head(log: EventLog, change: Any) -> None:
    with log.db.read() as conn:
        head = read_head(conn)
    assert head is not None
    rechain_after(log, change)
    execute(log, sa.update(event_head).values(seq=head.seq, hash=head.hash))


def signed_by_another(log: EventLog, change: Any, folder: Path) -> None:
    rechain_after(log, change)
    with log.db.read() as conn:
        head = read_head(conn)
    assert head is not None
    forged = Keys.load_or_create(folder).sign(head_message(head.seq, head.hash))
    execute(log, sa.update(event_head).values(signature=forged))


Tamper = Callable[[EventLog, Path], None]
TAMPERED: dict[str, tuple[Tamper, int, str]] = {
    "changed payload": (lambda log, _: execute(log, changed(4)), 4, "event 4 was changed"),
    "changed first": (lambda log, _: execute(log, changed(1)), 1, "event 1 was changed"),
    "changed last": (lambda log, _: execute(log, changed(7)), 7, "event 7 was changed"),
    "changed actor": (
        lambda log, _: execute(log, sa.update(events).where(events.c.seq == 2).values(actor="bob")),
        2, "event 2 was changed",
    ),
    "changed time": (
        lambda log, _: execute(log, sa.update(events).where(events.c.seq == 2).values(at=1)),
        2, "event 2 was changed",
    ),
    "changed and re-chained": (
        lambda log, _: rechain_after(log, changed(4)),
        7, "not signed by a trusted key",
    ),
    "changed, re-chained and signed by another key": (
        lambda log, tmp: signed_by_another(log, changed(4), tmp / "eve"),
        7, "not signed by a trusted key",
    ),
    "re-chained under the old head": (
        lambda log, _: rechain_under_old_head(log, changed(7)),
        7, "the chain was rewritten",
    ),
    "deleted first": (lambda log, _: execute(log, deleted(1)), 1, "event 1 is missing"),
    "deleted middle": (lambda log, _: execute(log, deleted(4)), 4, "event 4 is missing"),
    "deleted several": (lambda log, _: execute(log, deleted(3, 4)), 3, "events 3 to 4 are missing"),
    "deleted middle, renumbered": (
        lambda log, _: execute(
            log, deleted(4), *(
                sa.update(events).where(events.c.seq == n).values(seq=n - 1) for n in (5, 6, 7)
            ),
        ),
        4, "event 4 does not follow",
    ),
    "cut-off tail": (
        lambda log, _: execute(log, deleted(6, 7)), 6, "events 6 to 7 are missing at the end",
    ),
    "cut-off tail, head moved back": (
        lambda log, _: rechain_after(log, deleted(6, 7)),
        5, "not signed by a trusted key",
    ),
    "all deleted": (
        lambda log, _: execute(log, sa.delete(events)), 1, "events 1 to 7 are missing at the end",
    ),
    "inserted in the middle": (lambda log, _: insert_shifted(log), 4, "event 4 does not follow"),
    "inserted before the first": (
        lambda log, _: execute(log, row(0)), 0, "event 0 was inserted before the first",
    ),
    "inserted far before": (
        lambda log, _: execute(log, row(-5)), -5, "event -5 was inserted before the first",
    ),
    "inserted at the end": (
        lambda log, _: execute(log, row(8, log.latest(1)[0].hash)),
        8, "event 8 was added without a signature",
    ),
    "swapped": (lambda log, _: swap(log), 3, "event 3 does not follow"),
    "head deleted": (
        lambda log, _: execute(log, sa.delete(event_head)), 7, "the signed head is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_every_change_is_found(filled: EventLog, tmp_path: Path, name: str) -> None:
    tamper, broken_at, reason = TAMPERED[name]
    tamper(filled, tmp_path)
    found = filled.verify()
    assert not found.ok
    assert found.broken_at == broken_at
    assert reason in found.reason
    assert found.anchor == ""


def test_changes_are_found_beyond_the_first_page_of_rows(
    sqlite_database: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everloop.store.audit.PAGE", 3)
    log = EventLog(sqlite_database, keys)
    for n in range(10):
        append(log, n)
    assert log.verify().events == 10
    execute(log, changed(9))
    assert log.verify().broken_at == 9
    execute(log, deleted(4))
    assert log.verify().broken_at == 4


def test_only_an_anchor_shows_that_all_was_put_back(filled: EventLog) -> None:
    with filled.db.read() as conn:
        old = read_head(conn)
    assert old is not None
    append(filled, 8)
    anchor = filled.verify().anchor
    assert anchor.startswith("8:")
    back = sa.update(event_head).values(seq=old.seq, hash=old.hash, signature=old.signature)
    execute(filled, deleted(8), back)
    assert filled.verify().ok
    found = filled.verify(anchor)
    assert (found.ok, found.broken_at) == (False, 8)
    assert "events 8 to 8 are missing at the end" in found.reason
    append(filled, 9)
    found = filled.verify(anchor)
    assert (found.ok, found.broken_at) == (False, 8)
    assert "not the one the anchor names" in found.reason
    assert filled.verify(f"{old.seq}:{old.hash}").ok
    with pytest.raises(InvalidInput):
        filled.verify("8")


def test_nothing_is_appended_to_a_chain_that_another_rewrote(filled: EventLog) -> None:
    """Our signature on the next event would otherwise make the forgery genuine."""
    execute(filled, changed(4))
    rechain(filled, 4)
    with pytest.raises(Integrity, match="not signed by a trusted key"):
        append(filled, 8)
    execute(filled, sa.delete(event_head))
    with pytest.raises(Integrity, match="its signed head is missing"):
        append(filled, 8)
    assert len(filled.page()) == SIZE


def test_a_changed_key_goes_on_once_the_old_one_is_trusted(
    filled: EventLog, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    Keys.load_or_create(new)
    with pytest.raises(Integrity, match="not signed by a trusted key") as raised:
        append(EventLog(filled.db, Keys.load(new)), 8)
    assert "trust the old public key" in str(raised.value.fix)
    (new / "trusted").mkdir()
    shutil.copy(tmp_path / "keys" / "signing.pub", new / "trusted" / "old.pub")
    log = EventLog(filled.db, Keys.load(new))
    assert append(log, 8) == 8
    assert log.verify().ok


def test_an_undone_transaction_leaves_no_gap(filled: EventLog) -> None:
    with pytest.raises(ZeroDivisionError), filled.transaction() as conn:
        for _ in range(2):
            filled.append(conn, actor="a", kind="k", subject="s", payload={})
        raise ZeroDivisionError
    assert append(filled, 8) == 8
    assert filled.verify().ok


def test_several_events_in_one_transaction(log: EventLog) -> None:
    with log.transaction() as conn:
        seqs = [log.append(conn, actor="a", kind="k", subject="s", payload={}) for _ in range(3)]
    assert seqs == [1, 2, 3]
    assert log.verify().ok


def test_pages_by_key(log: EventLog) -> None:
    for n in range(6):
        append(log, n, subject="model:a" if n % 2 else "model:b")
    first = log.page(limit=4)
    second = log.page(after=first[-1].seq, limit=4)
    assert [e.payload["number"] for e in first + second] == list(range(6))
    assert [e.seq for e in log.page(subject="model:a")] == [2, 4, 6]
    assert [e.seq for e in log.page(after=2, limit=1, subject="model:a")] == [4]
    assert [e.seq for e in log.latest(2)] == [6, 5]
    assert [e.seq for e in log.latest(2, subject="model:b")] == [5, 3]
    event = log.page(limit=1)[0]
    assert (event.actor, event.kind, event.subject) == ("ann", "test.done", "model:b")
    assert event.previous == GENESIS
    assert event.at > 1_700_000_000_000


def test_hash_does_not_depend_on_how_a_payload_was_built(log: EventLog) -> None:
    with log.transaction() as conn:
        log.append(
            conn, actor="a", kind="k", subject="s", payload={"b": {"d": 1, "c": "é"}, "a": 2}
        )
    event = log.page()[0]
    assert event.hash == event_hash(
        GENESIS, 1, event.at, "a", "k", "s", '{"a":2,"b":{"c":"é","d":1}}'
    )


@pytest.mark.parametrize(
    "change",
    [{"actor": ""}, {"actor": "x" * 256}, {"kind": "x" * 65}, {"subject": "a\0b"},
     {"payload": {"text": "x" * 2**20}}],
)  # fmt: skip
def test_bad_events_are_refused(log: EventLog, change: dict[str, Any]) -> None:
    values: dict[str, Any] = {"actor": "a", "kind": "k", "subject": "s", "payload": {}}
    with pytest.raises(InvalidInput, match=r"event\."), log.transaction() as conn:
        log.append(conn, **values | change)
    assert log.page() == []


def test_audit_needs_no_more_memory_for_a_longer_log(
    sqlite_database: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everloop.store.audit.PAGE", 40)
    log = EventLog(sqlite_database, keys)

    def fill(count: int) -> None:
        with log.transaction() as conn:
            for n in range(count):
                payload = {"text": f"{n:04}" * 1000}
                log.append(conn, actor="a", kind="k", subject="s", payload=payload)

    def peak() -> int:
        tracemalloc.start()
        try:
            assert log.verify().ok
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    fill(120)
    peak()  # fills caches
    small = peak()
    fill(480)
    assert peak() < 1.2 * small


@pytest.mark.parametrize("value", ["x'7b7d'", "7", "'{' || char(0) || '}'", "''"])
def test_values_of_another_type_are_found_too(
    sqlite_database: Database, keys: Keys, value: str
) -> None:
    log = EventLog(sqlite_database, keys)
    for n in range(3):
        append(log, n)
    with sqlite_database.write() as conn:
        conn.exec_driver_sql(f"UPDATE events SET payload = {value} WHERE seq = 2")
    found = log.verify()
    assert not found.ok
    assert found.broken_at == 2


def test_text_that_cannot_be_read_is_found_too(sqlite_database: Database, keys: Keys) -> None:
    log = EventLog(sqlite_database, keys)
    append(log, 1)
    with sqlite_database.write() as conn:
        conn.exec_driver_sql("UPDATE events SET payload = CAST(x'ff' AS TEXT)")
    found = log.verify()
    assert (found.ok, found.broken_at) == (False, None)
    assert "cannot be read" in found.reason
