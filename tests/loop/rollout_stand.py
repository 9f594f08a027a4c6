"""A project whose versions are on trial, and what they would have answered."""

from __future__ import annotations

import os
from typing import Any

from everloop.data.segments import FeedbackRecord, PredictionRecord, SegmentWriter, encode_record
from everloop.deploy.rollouts import Do, Rollout, Wish
from everloop.deploy.serving.standing import Standing, write_standing
from everloop.deploy.spec import RolloutSpec
from everloop.loop.project import Project
from everloop.loop.rollouts import Carrier
from everloop.store.clock import now_ms

CANARY: dict[str, Any] = {"kind": "canary", "steps": (0.2, 0.5, 1.0), "hold": "1h"}


class Stand:
    """A project with more versions (one model under several numbers), and what they answered."""

    def __init__(self, project: Project) -> None:
        self.project = project
        first = project.registry.version("flow", 1)
        for number in (2, 3):
            project.registry.register(
                "flow", key=str(number), digest=first.digest, algorithm="x", files=first.files,
                run=None, dataset=None, cycle=None, metrics={}, actor="t",
            )  # fmt: skip
        write_standing(project.serving_dir, Standing(os.getpid(), "http://localhost", 10**6))
        self._predictions = SegmentWriter(project.state / "log/predictions", "p")
        self._feedback = SegmentWriter(project.state / "log/feedback", "f")
        self.asked = 0

    def begin(
        self, versions: list[int] | None = None, cycle: str = "cycle", **spec: Any
    ) -> Rollout:
        return self.project.rollouts.begin(
            cycle, endpoint="flow", model="flow", spec=RolloutSpec(**spec), champion=1,
            versions=versions or [2], actor="t",
        )  # fmt: skip

    def look(self, rollout: Rollout) -> Rollout:
        """As a process that has just started: nothing is remembered but what is stored."""
        return Carrier(self.project, rollout).look()

    def answer(
        self, version: int, n: int, arm: str, y: bool = True, failed: bool = False, first: int = -1
    ) -> list[str]:
        ids = []
        for place in range(n):
            self.asked += 1
            name = f"r{self.asked if first < 0 else first + place}"
            ids.append(name)
            self._predictions.append(
                encode_record(
                    PredictionRecord(
                        at=now_ms(), request=name, endpoint="flow", version=version,
                        arm=arm, ids=[name], times=None, columns={"x": [1.0], "z": [0.0]},
                        y=[] if failed else [y], p=None, ms=2.0, error="broken" if failed else None,
                    )
                )
            )  # type: ignore[arg-type]  # fmt: skip
        return ids

    def label(self, ids: list[str], label: bool) -> None:
        labels = FeedbackRecord(at=now_ms(), endpoint="flow", ids=ids, labels=[label] * len(ids))
        self._feedback.append(encode_record(labels))

    def wish(self, do: Do) -> Wish:
        return Wish(do, "me")

    def arms(self) -> list[tuple[int, str, float]]:
        found = self.project.endpoints.get("flow").arms
        return [(arm.version, arm.role, round(arm.weight, 3)) for arm in found]

    def events(self) -> list[str]:
        found = self.project.events.latest(100)
        return [e.kind for e in reversed(found) if e.kind.startswith("rollout.")]
