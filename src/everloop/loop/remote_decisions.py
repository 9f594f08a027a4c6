"""What a person says on a cycle of another machine: the verbs of ``LoopDecisions``, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from everloop.loop.approving import Decision
from everloop.loop.case import Case
from everloop.loop.cycles import Cycle

if TYPE_CHECKING:
    from everloop.loop.remote import Server


class _Me(msgspec.Struct):
    """As far as it matters here."""

    known: bool


def signed(by: str, words: str) -> str:
    """A person's words with the name, which the server cannot know: it knows the token's."""
    return f"{by}: {words}" if words else by


class RemoteDecisions:
    """The part of a :class:`~everloop.loop.remote.RemoteLoop` that is about people's approval.

    The server knows who speaks by the token. Where that is a shared one, the name that is given is
    kept in the comment.
    """

    server: Server

    def decide(self, cycle_id: str, *, approved: bool, by: str, comment: str = "") -> Cycle:
        word = "approve" if approved else "reject"
        body = {"comment": self._words(by, comment)}
        return self.server.call("POST", f"/cycles/{cycle_id}/{word}", Cycle, json=body)

    def comment(self, cycle_id: str, text: str, *, by: str) -> Decision:
        body = {"comment": self._words(by, text) if text.strip() else text}
        return self.server.call("POST", f"/cycles/{cycle_id}/comment", Decision, json=body)

    def roll_back(self, cycle_id: str, *, by: str, comment: str = "") -> Cycle:
        body = {"comment": self._words(by, comment)}
        return self.server.call("POST", f"/cycles/{cycle_id}/rollback", Cycle, json=body)

    def decision(self, cycle_id: str) -> Case:
        return self.server.call("GET", f"/cycles/{cycle_id}/decision", Case)

    def words(self, cycle_id: str) -> Decision:
        return self.server.call("GET", f"/cycles/{cycle_id}/words", Decision)

    def _words(self, by: str, words: str) -> str:
        return words if self.server.call("GET", "/me", _Me).known else signed(by, words)
