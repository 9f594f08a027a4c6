from __future__ import annotations

import logging

import pytest

from everloop.repeats import Repeats


def test_the_same_words_are_said_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("everloop.controller")
    says = Repeats(log)
    for _ in range(3):
        says.warning("The database is away.")
        says.warning("loop a: 50 % of it.")
    assert caplog.messages == ["The database is away.", "loop a: 50 % of it."]
    often = Repeats(log, every=0.0)
    often.warning("away")
    often.warning("away")
    assert caplog.messages[2:] == ["away", "away"]
