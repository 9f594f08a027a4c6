"""Who may do something that one process does at a time, over all machines on one database.

A lease lasts while its holder renews it, by the database's clock: the clocks of the machines count
for nothing. Each time it is taken its **fencing token** grows by one, and a transaction that writes
under the lease checks the token first (:func:`under`): a holder that was only paused,
and wakes after another has taken over, can write nothing. See Kleppmann, *Designing Data-Intensive
Applications*, chapter 8, for why a lease without a token is not enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
import sqlalchemy as sa

from everloop.errors import LeaseLost
from everloop.store.database import Database
from everloop.store.dialect import bound_idling, clock, insert_or_ignore
from everloop.store.tables import leases

_L = leases.c


class Lease(msgspec.Struct, frozen=True):
    """The right to do what ``name`` stands for, as long as nobody has a larger ``token``."""

    name: str
    holder: str
    token: int


class LeaseStore:
    """Leases for one holder. Safe to share between threads.

    Parameters
    ----------
    holder : a name that no other process has, nor ever had.
    place : what the names of all holders begin with of which at most one lives at a time, since
        they take turns by other means (a locked file); a lease of another of them has ended.
    seconds : how long a lease lasts without being renewed.
    """

    def __init__(self, db: Database, holder: str, place: str, seconds: float) -> None:
        self.db, self.holder, self.place = db, holder, place
        self._lasts = int(seconds * 1000)
        self._now = clock(db.dialect)

    def take(self, name: str) -> Lease | None:
        """Have the lease, unless somebody else does."""
        mine = _L.name == name
        free = sa.select(_L.token).where(mine, self._free())
        # A row that is locked belongs to a holder that writes under it at this moment.
        free = free.with_for_update(skip_locked=True)
        with self._writing() as conn:
            conn.execute(
                insert_or_ignore(leases).values(name=name, holder="", token=0, until=0, lasts=0)
            )
            token = conn.scalar(free)
            if token is None:
                return None
            values = {"holder": self.holder, "token": token + 1, "lasts": self._lasts}
            change = sa.update(leases).where(mine)
            conn.execute(change.values(until=self._now + self._lasts, **values))
        return Lease(name, self.holder, token + 1)

    def renew(self) -> set[tuple[str, int]]:
        """Keep all that are held; returns the names and tokens of those that still are.

        One that has run out while nobody wanted it is held as before.
        """
        change = sa.update(leases).where(_L.holder == self.holder)
        change = change.values(until=self._now + _L.lasts)
        with self._writing() as conn:
            rows = conn.execute(change.returning(_L.name, _L.token)).all()
        return {(row.name, row.token) for row in rows}

    def drop(self, lease: Lease) -> None:
        """Leave it to others; nothing where it was lost. Its token stays, for the next one."""
        with self._writing() as conn:
            change = sa.update(leases).where(_held(lease))
            conn.execute(change.values(holder="", until=0))

    def drop_all(self) -> None:
        """Leave everything to others."""
        with self._writing() as conn:
            change = sa.update(leases).where(_L.holder == self.holder)
            conn.execute(change.values(holder="", until=0))

    def living(self, prefix: str) -> Mapping[str, str]:
        """The leases whose names begin so and that are held: name -> holder."""
        return living(self.db, prefix)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that locks rows of leases; suspended in it, nobody is held up for long."""
        with self.db.write() as conn:
            conn.execute(sa.select(bound_idling(self.db.dialect)))
            yield conn

    def _free(self) -> sa.ColumnElement[bool]:
        gone = _L.holder.startswith(self.place, autoescape=True)
        return _over(self._now) | gone


def living(db: Database, prefix: str) -> Mapping[str, str]:
    """The leases of everybody whose names begin so and that are held: name -> holder."""
    held = ~_over(clock(db.dialect))
    query = sa.select(_L.name, _L.holder).where(_L.name.startswith(prefix, autoescape=True), held)
    with db.read() as conn:
        return {row.name: row.holder for row in conn.execute(query)}


@contextmanager
def under(db: Database, lease: Lease, *, everywhere: bool = False) -> Iterator[None]:
    """Let every write transaction in the block hold the lease from its beginning to its end.

    It raises :class:`~everloop.errors.LeaseLost` when another has taken the lease, and nobody can
    take it while the transaction lasts. ``everywhere``: those of other threads too.
    """
    query = sa.select(_L.token, bound_idling(db.dialect)).where(_held(lease))
    query = query.with_for_update(read=True)

    def check(conn: sa.Connection) -> None:
        if conn.execute(query).first() is None:
            raise LeaseLost(f"{lease.name}: another controller has taken over by now.")

    with db.checked(check, everywhere=everywhere):
        yield


def _over(now: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    # One that was renewed in the future was so before the database's clock was put back.
    return (_L.until <= now) | (_L.until - _L.lasts > now)


def _held(lease: Lease) -> sa.ColumnElement[bool]:
    return (_L.name == lease.name) & (_L.holder == lease.holder) & (_L.token == lease.token)
