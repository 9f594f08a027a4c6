"""What people say on a cycle: counted once each, ended once, signed and verified."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from everloop.errors import Conflict, EverloopError, Forbidden, NotFound
from everloop.loop.approving import DecisionStore
from everloop.loop.cycles import CycleStore
from everloop.loop.declaration import from_dict
from everloop.registry.signing import Keys
from everloop.store import people as people_module
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.people import PeopleStore
from everloop.store.tables import cycle_steps, cycle_words, decisions
from everloop.update.approval import Missing, Rule

TWO = Rule(roles={"reviewer": 1, "risk": 1}, starter="ann")


class Stand:
    """A cycle that waits under a rule, and the stores about it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.db = database
        self.events = EventLog(database, Keys.load_or_create(folder / "keys"))
        self.cycles = CycleStore(database, self.events)
        self.people = PeopleStore(database, self.events)
        self.store = DecisionStore(database, self.events, self.people)
        parsed = from_dict({"loop": {"name": "a"}, "data": {"source": "a.csv", "target": "y"}})
        self.cycles.save_loop(parsed.declaration, actor="t")
        for name, role in (("ann", "reviewer"), ("bob", "risk"), ("cy", "data")):
            self.people.add(name, roles=[role], actor="t")

    def waiting(self, rule: Rule) -> str:
        cycle = self.cycles.create(
            "a", cause={"kind": "person", "by": rule.starter}, plan=["evaluate", "approve"],
            actor="t",
        ).id  # fmt: skip
        self.cycles.begin_step(cycle, "evaluate", 0)
        self.cycles.finish_step(cycle, "evaluate", {"score": 0.7})
        self.cycles.begin_step(cycle, "approve", 1)
        self.store.ask(cycle, rule)
        self.cycles.suspend(cycle, "approve")
        return cycle

    def kinds(self, cycle: str) -> list[str]:
        return [e.kind for e in self.events.latest(50, f"cycle/{cycle}")][::-1]


@pytest.fixture
def stand(database: Database, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path)


def result(stand: Stand, cycle: str) -> dict:
    step = stand.cycles.step(cycle, "approve")
    assert step is not None and step.result is not None
    return step.result


def test_two_roles_agree_and_the_record_is_signed(stand: Stand) -> None:
    cycle = stand.waiting(TWO)
    with pytest.raises(Forbidden, match="cy has the roles data"):
        stand.store.say(cycle, approved=True, actor="http:cy")
    with pytest.raises(Forbidden, match="'local', expected a person of the project's list"):
        stand.store.say(cycle, approved=True, actor="http:local")
    stand.store.say(cycle, approved=True, actor="http:ann", comment="good on every slice")
    stand.store.say(cycle, approved=True, actor="ann")  # the same person by another way
    found = stand.store.of(cycle)
    assert found is not None and found.missing == [Missing(1, "risk")] and len(found.words) == 1
    assert stand.cycles.get(cycle).state == "waiting"
    stand.store.say(cycle, approved=True, actor="http:bob")
    assert stand.cycles.get(cycle).state == "running"
    assert result(stand, cycle)["by"] == "http:ann and http:bob"
    stand.cycles.suspend(cycle, "approve")  # a workflow that was slow asks nobody again
    assert stand.cycles.get(cycle).state == "running"
    ended = stand.store.of(cycle)
    assert ended is not None and ended.outcome == "approved" and ended.record is not None
    assert ended.record.valid and '"reviewer"' in ended.record.text
    assert stand.kinds(cycle) == ["cycle.asked", "cycle.said", "cycle.said", "cycle.decided"]
    with pytest.raises(Conflict, match="does not wait for approval; it was approved already"):
        stand.store.say(cycle, approved=False, actor="http:bob")
    stand.store.comment(cycle, "afterwards", actor="http:cy")
    assert stand.store.audit() == (1, [])


def test_one_no_ends_it_with_its_reason(stand: Stand) -> None:
    cycle = stand.waiting(TWO)
    stand.store.say(cycle, approved=True, actor="ann")
    stand.store.say(cycle, approved=False, actor="ann", comment="Not on a Friday.")
    assert result(stand, cycle)["end"] == {
        "verdict": "declined", "reason": "Declined by ann. Not on a Friday.",
    }  # fmt: skip
    found = stand.store.of(cycle)
    assert found is not None and [w.kind for w in found.words] == ["approve", "reject"]


def test_people_at_once_count_once_each_and_end_it_once(stand: Stand) -> None:
    cycle = stand.waiting(Rule(people=2))

    def say(actor: str, approved: bool) -> str:
        try:
            stand.store.say(cycle, approved=approved, actor=actor)
            return "said"
        except Conflict:
            return "late"

    asked = [("ann", True), ("bob", True), ("cy", False), ("ann", True), ("bob", True)]
    with ThreadPoolExecutor(5) as pool:
        said = list(pool.map(lambda one: say(*one), asked))
    assert "said" in said and stand.kinds(cycle).count("cycle.decided") == 1
    found = stand.store.of(cycle)
    assert found is not None and found.outcome in ("approved", "rejected")
    assert len({(w.person, w.kind) for w in found.words}) == len(found.words)
    assert found.record is not None and found.record.valid


def past(stand: Stand, cycle: str) -> None:
    """Its time is over; another process may find that."""
    with stand.db.write() as conn:
        conn.execute(decisions.update().where(decisions.c.cycle == cycle).values(due=1))


def test_silence_declines_and_says_that_nobody_answered(stand: Stand) -> None:
    cycle = stand.waiting(Rule(timeout="3d"))
    assert stand.store.settle() == []
    past(stand, cycle)
    again = DecisionStore(stand.db, stand.events, stand.people)  # after a restart
    assert (again.settle(), again.settle()) == ([cycle], [])
    assert result(stand, cycle)["end"] == {
        "verdict": "declined",
        "reason": "Nobody answered within 3d: the loop file declines it then.",
    }
    found = stand.store.of(cycle)
    assert found is not None and found.outcome == "silence"
    assert found.record is not None and found.record.valid


def test_a_word_after_its_time_is_too_late(stand: Stand) -> None:
    cycle = stand.waiting(Rule(people=2, timeout="3d"))
    stand.store.say(cycle, approved=True, actor="ann")
    past(stand, cycle)
    with pytest.raises(Conflict, match="the loop file's time-out has decided"):
        stand.store.say(cycle, approved=True, actor="bob")
    assert (
        "Not everybody answered, one person did not, within 3d"
        in (result(stand, cycle)["end"]["reason"])
    )
    found = stand.store.of(cycle)
    assert found is not None and len(found.words) == 1


def test_silence_may_let_it_go_on_or_remind(stand: Stand) -> None:
    cycle = stand.waiting(Rule(timeout="1h", on_timeout="remind"))
    past(stand, cycle)
    assert stand.store.settle() == []
    found = stand.store.of(cycle)
    assert found is not None and found.reminders == 1 and (found.due or 0) > found.asked
    assert "cycle.reminded" in stand.kinds(cycle)
    stand.store.say(cycle, approved=False, actor="ann")
    stand.cycles.finish(cycle, verdict="declined", reason="")
    other = stand.waiting(Rule(timeout="1h", on_timeout="approve"))
    past(stand, other)
    assert stand.store.settle() == [other]
    assert result(stand, other)["approved"] is True
    assert "Nobody answered within 1h" in result(stand, other)["note"]


def test_a_cycle_that_waits_since_before_takes_any_ones_word(stand: Stand) -> None:
    cycle = stand.waiting(Rule())
    with stand.db.write() as conn:
        conn.execute(decisions.delete())
    stand.store.say(cycle, approved=True, actor="http:local")
    assert stand.cycles.get(cycle).state == "running"


Change = Callable[[sa.Connection], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda conn: conn.execute(
                cycle_steps.update().where(cycle_steps.c.step == "evaluate").values(result="{}")
            ),
            "the evidence was changed",
        ),
        (
            lambda conn: conn.execute(cycle_words.update().values(comment="I never said that")),
            "what people said was changed",
        ),
        (
            lambda conn: conn.execute(
                decisions.update().values(
                    record=sa.func.replace(decisions.c.record, '"approved"', '"rejected"')
                )
            ),
            "not signed by a trusted key",
        ),
        (
            lambda conn: conn.execute(decisions.update().values(record=None)),
            "the record of its decision is gone",
        ),
    ],
)
def test_a_record_that_was_tampered_with_is_broken(stand: Stand, change: Change, said: str) -> None:
    cycle = stand.waiting(Rule())
    stand.store.say(cycle, approved=True, actor="ann", comment="fine")
    with stand.db.write() as conn:
        change(conn)
    count, wrong = stand.store.audit()
    assert count == 1 and said in wrong[0] and wrong[0].startswith("cycle 1 of a: ")


def test_the_list_of_people(stand: Stand) -> None:
    made = stand.people.add("dee", roles=["risk", "risk"], may="write", actor="t")
    assert made.person == stand.people.named("dee") == stand.people.holder(made.token)
    assert stand.people.named("dee").used is not None  # since its token was
    assert made.person.roles == ["risk"] and stand.people.holder("other") is None
    with stand.db.read() as conn:
        kept = conn.execute(sa.text("SELECT * FROM people WHERE name = 'dee'")).one()
    assert made.token not in map(str, kept)
    with pytest.raises(Conflict, match="dee is there already"):
        stand.people.add("dee", actor="t")
    stand.people.remove("dee", actor="t")
    assert stand.people.holder(made.token) is None
    with pytest.raises(NotFound, match="'dee', which the list does not have"):
        stand.people.remove("dee", actor="t")
    for name in ("", "a b", "local", "http:ann", "x" * 65):
        with pytest.raises(EverloopError):
            stand.people.add(name, actor="t")
    assert "local" in people_module.RESERVED
