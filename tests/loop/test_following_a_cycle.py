"""Who follows a cycle waits for the database as the cycle does, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from everloop.errors import Unavailable
from everloop.loop import following
from everloop.loop.cycle_steps import Step
from everloop.loop.cycles import Cycle
from everloop.loop.following import follow, when_there


def cut_off(times: int, code: str = "database_unavailable") -> Callable[[], str]:
    left = [Unavailable("It is away.", code=code)] * times

    def read() -> str:
        if left:
            raise left.pop()
        return "there"

    return read


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "AGAIN_SECONDS", 0.0)


def test_the_database_may_be_away_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    assert when_there(cut_off(5)) == "there"
    assert caplog.messages == ["It is away. Looking again until it is there."]
    with pytest.raises(Unavailable):
        when_there(cut_off(5), away=0.0)
    with pytest.raises(Unavailable):
        when_there(cut_off(1, code="unavailable"))


def test_a_cycle_is_followed_through_an_outage() -> None:
    ended = Cycle(
        id="c", loop="a", number=1, state="done", cause={}, plan=[], started=1,
        verdict="promoted", reason="", version=1, evidence=None, finished=2,
    )  # fmt: skip
    there = cut_off(2)

    def read() -> tuple[Cycle, list[Step]]:
        there()
        return ended, []

    assert follow(read, None, 0.0) is ended
