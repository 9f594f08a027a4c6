"""The soak's accounts: a lost row, a doubled one and an unexplained failure do not go unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from everloop.data.segments import (
    FeedbackRecord,
    PredictionRecord,
    SegmentWriter,
    encode_record,
)
from everloop.loop.project import Project


@pytest.fixture
def soaking(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from soaking import accounts, callers, stand

    return accounts, callers, stand


def record(request: str, ids: list[str], version: int = 1, error: str | None = None) -> bytes:
    return encode_record(
        PredictionRecord(
            at=1_700_000_000_000, request=request, endpoint="m", version=version, arm="champion",
            ids=ids, times=None, columns={"a": [1.0] * len(ids)}, p=None, ms=1.0, error=error,
            y=[] if error else [1.0] * len(ids),
        )
    )  # fmt: skip


def test_what_was_acknowledged_is_counted_in_the_log_itself(soaking, tmp_path: Path) -> None:
    accounts, callers, _ = soaking

    def call(request: str, rows: int, status: int = 200):
        return callers.Call("records", request, 0.0, 1.0, status, 1, rows, True, "")

    with Project.open(tmp_path) as project:
        writer = SegmentWriter(project.state / "log/predictions", "predictions")
        for line in (
            record("whole", ["whole-0", "whole-1"]), record("cut", ["cut-0"]),
            record("twice", ["twice"]), record("twice", ["twice"]),
            record("bad", ["bad"], version=7, error="it broke"),
        ):  # fmt: skip
            writer.append(line)
        labels = SegmentWriter(project.state / "log/feedback", "feedback")
        labels.append(
            encode_record(FeedbackRecord(at=1, endpoint="m", ids=["whole-0"], labels=[1]))
        )
        writer.close()
        labels.close()
        calls = [call("whole", 2), call("cut", 2), call("twice", 1), call("gone", 1)]
        calls.append(call("refused", 3, status=0))
        log = accounts.read_log(project, calls, {"whole-0", "whole-1"})
    assert (log.rows, log.lost, log.doubled) == (6, 2, 1)
    assert (log.labels, log.labels_lost) == (2, 1)
    assert log.failed_by == {"bad": 7}


@pytest.mark.parametrize(
    ("request_id", "began", "ended", "expected"),
    [
        ("bad", 5.0, 6.0, "BY_VERSION"),
        ("x", 9.5, 10.5, "BY_KILL"),  # it was under way when the data plane was killed
        ("x", 10.5, 10.6, "BY_KILL"),
        ("x", 12.5, 12.6, "UNEXPLAINED"),
        ("x", 20.5, 20.6, "UNEXPLAINED"),  # the control plane was away, which callers never see
    ],
)
def test_a_failure_has_a_cause_or_none(
    soaking, request_id: str, began: float, ended: float, expected: str
) -> None:
    accounts, callers, stand = soaking
    outages = [stand.Outage("data plane", 10.0, 12.0), stand.Outage("control plane", 20.0, 30.0)]
    failed = callers.Call("grpc", request_id, began, ended, 500, 0, 1, False, "")
    found = accounts.cause(failed, outages, {"bad": 7, "x": 1}, {7})
    assert found == getattr(accounts, expected)
