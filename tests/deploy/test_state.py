"""The desired state's file: one state or the next, and never one that cannot answer."""

from __future__ import annotations

import threading

import pytest

from everloop.deploy.state import (
    Arm,
    DesiredState,
    EndpointState,
    check_arms,
    read_state,
    write_state,
)
from everloop.errors import Integrity, InvalidInput

DIGEST = "a" * 64


def test_a_state_comes_back(tmp_path):
    arms = (Arm(1, DIGEST, 0.95), Arm(2, DIGEST, 0.05, "canary"), Arm(3, DIGEST, 0.0, "shadow"))
    state = DesiredState(7, {"flights": EndpointState("m", arms)})
    path = tmp_path / "serving" / "desired.json"
    assert read_state(path) == DesiredState()
    write_state(path, state)
    assert read_state(path) == state
    assert [p.name for p in path.parent.iterdir()] == ["desired.json"]


def test_a_reader_never_sees_half_a_state(tmp_path):
    path = tmp_path / "desired.json"
    states = [
        DesiredState(n, {f"e{i}": EndpointState("m", (Arm(n, DIGEST),)) for i in range(50 * n)})
        for n in (1, 2)
    ]
    write_state(path, states[0])
    done = threading.Event()

    def write():
        while not done.is_set():
            for state in states:
                write_state(path, state)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            assert read_state(path) in states
    finally:
        done.set()
        writer.join()


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ((), "0 champions"),
        ((Arm(1, DIGEST, 0.5), Arm(2, DIGEST, 0.5)), "2 champions"),
        ((Arm(1, DIGEST, 0.9),), "add up to 1"),
        ((Arm(1, DIGEST, 1.5),), "share from 0 to 1"),
        ((Arm(1, DIGEST, 0.5), Arm(2, DIGEST, 0.5, "shadow")), "answers no caller"),
        ((Arm(1, DIGEST, 0.5), Arm(2, DIGEST, 0.5, "interleaved")), "answers no caller"),
        ((Arm(1, "../x"),), "sha256"),
        ((Arm(1, DIGEST, 0.5), Arm(1, DIGEST, 0.5, "canary")), "each version once"),
    ],
)
def test_arms_that_cannot_answer_together_are_refused(arms, message):
    with pytest.raises(InvalidInput, match=message):
        check_arms(arms)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"revision": "x"}', '{"extra": 1}', "\xff"])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "desired.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(Integrity, match="not a desired state"):
        read_state(path)
