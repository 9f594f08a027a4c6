"""What a person says on a cycle: the part of a loop that both its page and its verbs call."""

from __future__ import annotations

import getpass

from everloop.deploy.rollouts import Wish
from everloop.errors import Conflict, NotFound
from everloop.loop.approving import Decision
from everloop.loop.case import Case, back_of, read_case
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.loop.steps import PLANS
from everloop.store.audit import Audit


class LoopDecisions:
    """The part of a :class:`~everloop.loop.loop.Loop` that is about people's approval.

    ``by`` is who speaks. A name of the project's list (``project.people``) brings its roles.
    """

    project: Project
    declaration: Declaration

    def decide(self, cycle_id: str, *, approved: bool, by: str, comment: str = "") -> Cycle:
        """A person's yes or no on a cycle that waits; with the last yes needed it goes on.

        Raises :class:`~everloop.errors.Conflict` when it does not wait, and
        :class:`~everloop.errors.Forbidden` when the loop file asks for other people's yes.
        """
        cycle = self._own(cycle_id)
        self.project.decisions.say(cycle.id, approved=approved, actor=by, comment=comment)
        return self.project.cycles.get(cycle.id)

    def comment(self, cycle_id: str, text: str, *, by: str) -> Decision:
        """A remark on a cycle of any state, as plain text; what was said on it comes back."""
        cycle = self._own(cycle_id)
        self.project.decisions.comment(cycle.id, text, actor=by)
        return self.words(cycle.id)

    def decision(self, cycle_id: str) -> Case:
        """Everything that a person needs to decide on a cycle, and what was said so far."""
        return read_case(self.project, self._own(cycle_id).id)

    def roll_back(self, cycle_id: str, *, by: str, comment: str = "") -> Cycle:
        """Take a cycle's effect back: end its trial, or deploy the version before its own.

        Returns the cycle whose trial ends, or the new one that deploys. Raises
        :class:`~everloop.errors.Conflict` when there is nothing to take back.
        """
        cycle = self._own(cycle_id)
        results = {s.step: s.result or {} for s in self.project.cycles.steps(cycle.id)}
        back = back_of(self.project, cycle, results)
        if back is None:
            raise Conflict(
                f"cycle {cycle.number} of {cycle.loop}: nothing of it serves that could be taken "
                "back.", code="nothing_to_roll_back", path="cycle",
            )  # fmt: skip
        if comment.strip():
            self.project.decisions.comment(cycle.id, comment, actor=by)
        if back.do == "end_trial":
            rollout = self.project.rollouts.of_cycle(cycle.id)
            assert rollout is not None, "back_of has seen it"
            self.project.rollouts.ask(rollout.id, Wish("rollback", by, comment))
            return cycle
        cause = {"kind": "deploy", "version": back.version, "by": by, "comment": comment}
        return self.project.cycles.create(cycle.loop, cause=cause, plan=PLANS["deploy"], actor=by)

    def words(self, cycle_id: str) -> Decision:
        """What people were asked about a cycle, what they said, and the signed record of it.

        Raises :class:`~everloop.errors.NotFound` for a cycle about which nobody was asked.
        """
        cycle = self._own(cycle_id)
        found = self.project.decisions.of(cycle.id)
        if found is None:
            raise NotFound(
                f"cycle {cycle.number} of {cycle.loop}: nobody was asked about it.",
                code="no_decision", path="cycle",
            )  # fmt: skip
        return found

    def _own(self, cycle_id: str) -> Cycle:
        cycle = self.project.cycles.get(cycle_id)
        if cycle.loop != self.declaration.name:
            raise Conflict(
                f"cycle {cycle.number} of {cycle.loop}: is no cycle of {self.declaration.name}."
            )
        return cycle


class Audited(Audit, frozen=True):
    """An audit of the event log and of the signed records of people's decisions.

    ``broken`` has a sentence for each record that does not hold; ``ok`` is about both.
    """

    decisions: int = 0
    broken: tuple[str, ...] = ()


def audited(project: Project, anchor: str | None = None) -> Audited:
    """Verify the event log, and the record of every decision that people made."""
    log = project.events.verify(anchor)
    count, broken = project.decisions.audit()
    ok = log.ok and not broken
    return Audited(ok, log.events, log.broken_at, log.reason, log.anchor, count, tuple(broken))


def person_here(project: Project) -> str:
    """Who types: whoever the token of the settings belongs to, else this system's user."""
    holder = project.people.holder(project.settings.token)
    return getpass.getuser() if holder is None else holder.name
