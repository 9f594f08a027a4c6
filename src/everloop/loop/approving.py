"""Approval by people: who is asked, what each said, and the one end of it.

Each word is a row of its own. Whether it is the last one that was needed is found in the same
transaction that writes it, and transactions that append to the event log pass one after another:
of two people at once both count, and exactly one of them ends the decision. A time-out is a moment
in the database, so it holds over restarts; whoever comes after it first, a person or the
controller, carries it out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, invalid
from everloop.loop.cycles import Cycle
from everloop.loop.decision_record import SignedRecord, digest_of, sign, verified
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.people import PeopleStore
from everloop.store.tables import cycle_steps, cycle_words, cycles, decisions
from everloop.store.texts import check_long, json_text
from everloop.update.approval import (
    Kind,
    Missing,
    Rule,
    Speaker,
    Word,
    check_speaker,
    missing,
    missing_words,
    person_of,
)

LONGEST = 2000  # characters of a comment
MOST_WORDS = 1000  # on one cycle
SILENCE = "controller"  # who carries a time-out out


class Decision(msgspec.Struct, frozen=True):
    """What people are asked about a cycle, and what they said so far.

    ``due`` is when the time-out comes, or the next reminder. ``outcome`` comes with the end:
    ``approved``, ``rejected``, or ``silence`` when nobody answered in time.
    """

    cycle: str
    rule: Rule
    asked: int
    due: int | None
    reminders: int
    words: list[Word]
    missing: list[Missing]
    ended: int | None = None
    outcome: str | None = None
    record: SignedRecord | None = None


class Reached(NamedTuple):
    """The end that words, or their absence, came to."""

    outcome: str
    approved: bool
    by: str
    comment: str
    reason: str  # of the verdict when it is no; of the silence when nobody answered


class DecisionStore:
    """Words and decisions of all cycles. Safe to share between threads."""

    def __init__(self, db: Database, events: EventLog, people: PeopleStore) -> None:
        self._db = db
        self._events = events
        self._people = people

    # -- asking ----------------------------------------------------------------------------------

    def ask(self, cycle: str, rule: Rule) -> None:
        """Ask people about a cycle, once; what is asked then stays, whatever the file says."""
        with self._events.transaction() as conn:
            self._ask(conn, cycle, rule)

    def _ask(self, conn: sa.Connection, cycle: str, rule: Rule) -> None:
        now, within = now_ms(), rule.timeout_ms
        values = {
            "cycle": cycle,
            "rule": json_text(rule),
            "asked": now,
            "due": None if within is None else now + within,
            "reminders": 0,
        }
        asked = sa.select(decisions.c.cycle).where(decisions.c.cycle == cycle)
        if conn.scalar(asked) is None:
            conn.execute(decisions.insert().values(values))
            needed = missing_words(missing(rule, []))
            self._tell(conn, cycle, "cycle.asked", SILENCE, {"needed": needed})

    # -- saying ----------------------------------------------------------------------------------

    def say(self, cycle: str, *, approved: bool, actor: str, comment: str = "") -> None:
        """A person's yes or no; with the last one that is needed the cycle goes on, or ends.

        The same word of the same person again changes nothing. Raises
        :class:`~everloop.errors.Conflict` when the cycle does not wait, and
        :class:`~everloop.errors.Forbidden` when this person's yes cannot count.
        """
        check_long("comment", comment, LONGEST)
        speaker = self.speaker(actor)
        with self._events.transaction() as conn:
            row = self._waiting(conn, cycle)
            rule, words = _rule(row), _words(conn, cycle)
            late = self._overdue(conn, row, rule, words)
            if not late:
                if approved:
                    check_speaker(rule, speaker, words)
                kind: Kind = "approve" if approved else "reject"
                word = Word(speaker.name, kind, now_ms(), comment, speaker.roles, actor)
                if not any((w.person, w.kind) == (word.person, kind) for w in words):
                    self._write(conn, cycle, word)
                    reached = _reached(rule, [*words, word])
                    if reached is not None:
                        self._end(conn, row, rule, reached)
        if late:
            raise Conflict(
                f"cycle: nobody answered within {rule.timeout}, and the loop file's time-out "
                "has decided.", code="too_late", path="cycle",
            )  # fmt: skip

    def comment(self, cycle: str, text: str, *, actor: str) -> None:
        """A remark on a cycle that waits, runs or has ended; plain text."""
        check_long("comment", text, LONGEST)
        if not text.strip():
            raise invalid("comment", text, "some words")
        speaker = self.speaker(actor)
        with self._events.transaction() as conn:
            if conn.scalar(sa.select(cycles.c.id).where(cycles.c.id == cycle)) is None:
                raise NotFound(f"cycle: got {cycle!r}, which does not exist.", path="cycle")
            word = Word(speaker.name, "comment", now_ms(), text, speaker.roles, actor)
            self._write(conn, cycle, word)

    def speaker(self, actor: str) -> Speaker:
        """Who an actor is by the project's list; the server has checked the name."""
        name = person_of(actor)
        person = self._people.named(name)
        return Speaker(name) if person is None else Speaker(name, tuple(person.roles), True)

    def _write(self, conn: sa.Connection, cycle: str, word: Word) -> None:
        count = sa.select(sa.func.count()).where(cycle_words.c.cycle == cycle)
        if (conn.scalar(count) or 0) >= MOST_WORDS:
            raise Conflict(f"cycle: has {MOST_WORDS} words already.", code="too_many_words")
        values = msgspec.structs.asdict(word) | {"cycle": cycle, "roles": json_text(word.roles)}
        conn.execute(cycle_words.insert().values(values))
        said = {"word": word.kind, "person": word.person, "comment": word.comment}
        self._tell(conn, cycle, "cycle.said", word.actor, {**said, "roles": list(word.roles)})

    # -- time-outs -------------------------------------------------------------------------------

    def settle(self) -> list[str]:
        """Carry out every time-out that has come; the cycles that it decided."""
        due = (
            sa.select(decisions.c.cycle)
            .join(cycles, cycles.c.id == decisions.c.cycle)
            .where(decisions.c.due <= now_ms(), decisions.c.ended.is_(None))
            .where(cycles.c.state == "waiting")
        )
        with self._db.read() as conn:
            found = list(conn.scalars(due))
        settled = []
        for cycle in found:
            with self._events.transaction() as conn:
                row = conn.execute(_ASKED.where(cycles.c.id == cycle)).one()
                waits = row.state == "waiting" and row.ended is None
                if waits and self._overdue(conn, row, _rule(row), _words(conn, cycle)):
                    settled.append(cycle)
        return settled

    def _overdue(
        self, conn: sa.Connection, row: sa.Row[Any], rule: Rule, words: list[Word]
    ) -> bool:
        """Do what the time-out says if it has come; whether that decided."""
        now = now_ms()
        if row.due is None or row.due > now:
            return False
        if rule.on_timeout == "remind":
            mine = decisions.c.cycle == row.id
            again = {"due": now + (rule.timeout_ms or 0), "reminders": row.reminders + 1}
            conn.execute(decisions.update().where(mine).values(again))
            left = missing_words(missing(rule, words))
            self._tell(conn, row.id, "cycle.reminded", SILENCE, {"missing": left})
            return False
        approved = rule.on_timeout == "approve"
        self._end(conn, row, rule, _silence(rule, words, approved))
        return True

    # -- the end ---------------------------------------------------------------------------------

    def _end(self, conn: sa.Connection, row: sa.Row[Any], rule: Rule, reached: Reached) -> None:
        now = now_ms()
        text, signature = sign(
            conn,
            self._events.signer,
            row.id,
            outcome=reached.outcome,
            approved=reached.approved,
            asked=row.asked,
            decided=now,
            rule=rule,
            words=_words(conn, row.id),
        )
        ended = {"ended": now, "outcome": reached.outcome, "record": text, "signature": signature}
        conn.execute(decisions.update().where(decisions.c.cycle == row.id).values(ended))
        conn.execute(cycles.update().where(cycles.c.id == row.id).values(state="running"))
        said = {"approved": reached.approved, "by": reached.by, "comment": reached.comment}
        said["record"] = digest_of(text)
        end = None
        if not reached.approved:
            end = {"verdict": "declined", "reason": reached.reason}
        elif reached.outcome == "silence":
            said["note"] = reached.reason
        conn.execute(
            cycle_steps.update()
            .where(cycle_steps.c.cycle == row.id, cycle_steps.c.step == "approve")
            .values(state="done", finished=now, result=json_text({**said, "end": end}))
        )
        self._tell(conn, row.id, "cycle.decided", reached.by, said)

    def _waiting(self, conn: sa.Connection, cycle: str) -> sa.Row[Any]:
        """The cycle with what was asked about it; Conflict unless it waits."""
        row = conn.execute(_ASKED.where(cycles.c.id == cycle)).first()
        if row is None:
            raise NotFound(f"cycle: got {cycle!r}, which does not exist.", path="cycle")
        if row.state != "waiting" or row.ended is not None:
            was = f"; it was {_PAST[row.outcome]} already" if row.outcome else ""
            raise Conflict(
                f"cycle {row.number} of {row.loop}: does not wait for approval{was}.",
                code="already_decided", path="cycle",
            )  # fmt: skip
        if row.rule is None:  # it waits since before there was a time-out
            self._ask(conn, cycle, Rule())
            row = conn.execute(_ASKED.where(cycles.c.id == cycle)).one()
        return row

    def _tell(
        self, conn: sa.Connection, cycle: str, kind: str, actor: str, payload: dict[str, Any]
    ) -> None:
        subject = f"cycle/{cycle}"
        self._events.append(conn, actor=actor, kind=kind, subject=subject, payload=payload)

    # -- reading ---------------------------------------------------------------------------------

    def of(self, cycle: str) -> Decision | None:
        """What people were asked about a cycle and said; None where nobody was asked or spoke."""
        with self._db.read() as conn:
            row = conn.execute(_ASKED.where(cycles.c.id == cycle)).first()
            words = _words(conn, cycle)
            if row is None or (row.rule is None and row.state != "waiting" and not words):
                return None
            return self._decision(conn, row, words)

    def clauses(self, ids: Collection[str]) -> dict[str, str]:
        """Of each of these cycles that waits, for whom, as :func:`waits_for` has it."""
        if not ids:
            return {}
        said: dict[str, list[Word]] = {cycle: [] for cycle in ids}
        query = sa.select(cycle_words).where(cycle_words.c.cycle.in_(ids))
        with self._db.read() as conn:
            rows = conn.execute(_ASKED.where(cycles.c.id.in_(ids), cycles.c.state == "waiting"))
            rules = {row.id: _rule(row) for row in rows}
            for row in conn.execute(query.order_by(cycle_words.c.seq)):
                said[row.cycle].append(_word(row))
        return {cycle: _clause(missing(rule, said[cycle])) for cycle, rule in rules.items()}

    def _decision(self, conn: sa.Connection, row: sa.Row[Any], words: list[Word]) -> Decision:
        rule = _rule(row)
        record = None
        if row.record is not None:
            record = verified(
                conn, self._events.signer, row.id, row.record, row.signature or "", words
            )
        waits = row.ended is None and row.state in ("waiting", "running")
        return Decision(
            cycle=row.id,
            rule=rule,
            asked=row.asked or row.started,
            due=row.due,
            reminders=row.reminders or 0,
            words=words,
            missing=missing(rule, words) if waits else [],
            ended=row.ended,
            outcome=row.outcome,
            record=record,
        )

    def audit(self) -> tuple[int, list[str]]:
        """How many signed records there are, and a sentence for each that does not hold."""
        told = sa.select(cycle_steps.c.cycle, cycle_steps.c.result).where(
            cycle_steps.c.step == "approve", cycle_steps.c.state == "done"
        )
        count, wrong = 0, []
        with self._db.read() as conn:
            for cycle, result in conn.execute(told).all():
                wanted = msgspec.json.decode(result or "{}").get("record")
                row = conn.execute(_ASKED.where(cycles.c.id == cycle)).one()
                if wanted is None and row.record is None:
                    continue
                count += 1
                name = f"cycle {row.number} of {row.loop}"
                if row.record is None:
                    wrong.append(f"{name}: the record of its decision is gone")
                    continue
                record = self._decision(conn, row, _words(conn, cycle)).record
                if record is not None and not record.valid:
                    wrong.append(f"{name}: {record.why}")
                elif wanted != digest_of(row.record):
                    wrong.append(f"{name}: its step names another record")
        return count, wrong


def waits_for(cycle: Cycle, decision: Decision | None) -> str:
    """``waits for a yes from reviewer and risk``; empty unless the cycle waits for people."""
    if cycle.state != "waiting" or decision is None:
        return ""
    return _clause(decision.missing)


def _clause(left: list[Missing]) -> str:
    return f"waits for a yes from {missing_words(left)}"


_PAST = {"approved": "approved", "rejected": "rejected", "silence": "decided by its time-out"}
_ASKED: sa.Select[Any] = sa.select(
    cycles.c.id,
    cycles.c.loop,
    cycles.c.number,
    cycles.c.state,
    cycles.c.started,
    decisions.c.rule,
    decisions.c.asked,
    decisions.c.due,
    decisions.c.reminders,
    decisions.c.ended,
    decisions.c.outcome,
    decisions.c.record,
    decisions.c.signature,
).outerjoin(decisions, decisions.c.cycle == cycles.c.id)


def _reached(rule: Rule, words: list[Word]) -> Reached | None:
    """The end that the words come to, the newest of them being the last."""
    last = words[-1]
    if last.kind == "reject":
        reason = f"Declined by {last.actor}. {last.comment}"
        return Reached("rejected", False, last.actor, last.comment, reason)
    if missing(rule, words):
        return None
    actors = list(dict.fromkeys(w.actor for w in words if w.kind == "approve"))
    return Reached("approved", True, " and ".join(actors), last.comment, "")


def _silence(rule: Rule, words: list[Word], approved: bool) -> Reached:
    who = "Nobody answered"
    if any(word.kind == "approve" for word in words):
        who = f"Not everybody answered, {missing_words(missing(rule, words))} did not,"
    says = "the loop file lets it go on then" if approved else "the loop file declines it then"
    return Reached("silence", approved, "time-out", "", f"{who} within {rule.timeout}: {says}.")


def _words(conn: sa.Connection, cycle: str) -> list[Word]:
    query = sa.select(cycle_words).where(cycle_words.c.cycle == cycle).order_by(cycle_words.c.seq)
    return [_word(row) for row in conn.execute(query)]


def _word(row: sa.Row[Any]) -> Word:
    roles = tuple(msgspec.json.decode(row.roles))
    return Word(row.person, row.kind, row.at, row.comment, roles, row.actor)


def _rule(row: sa.Row[Any]) -> Rule:
    return Rule() if row.rule is None else msgspec.json.decode(row.rule, type=Rule)
