"""A project with a past, written through the real stores: what the console has to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from everloop.console.endpoints.traffic import Traffic
from everloop.deploy.state import Arm
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.monitor.windows import Alert, Window, alert_id
from everloop.settings import Settings

DAY = 86_400_000
START = 1_357_516_800_000  # Monday, 7 January 2013
EVIL = '<script>alert("x")</script>'
LOOP_FILE = """
[loop]
name = "flights"
[data]
source = "data.csv"
target = "late"
time = "scheduled_at"
id = "flight_id"
[evaluate]
metric = "roc_auc"
[deploy]
rollout = { kind = "canary" }
[update]
approval = "human"
"""


def open_project(folder: Path, loop_file: str | None = LOOP_FILE) -> Project:
    """An empty project; without a loop file when there is none."""
    if loop_file is not None:
        (folder / "everloop.toml").write_text(loop_file)
    return Project.open(folder, Settings())


def estimate(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.008, "high": value + 0.009, "n": 5321}


def tested(value: float, champion: int | None, passed: bool) -> dict[str, Any]:
    """An evaluate step's result."""
    result: dict[str, Any] = {
        "metric": "roc_auc",
        "metrics": {"accuracy": estimate(0.781), "roc_auc": estimate(value)},
        "rows": 5321,
        "champion": champion,
        "gates": [
            {"gate": "roc_auc >= 0.6", "verdict": "pass", "value": value, "bound": 0.6,
             "detail": f"roc_auc is {value} ({value - 0.008:.3f} to {value + 0.009:.3f})"},
            {"gate": "roc_auc beats champion", "verdict": "pass" if passed else "fail",
             "value": 0.021, "bound": 0.0, "detail": "better by 0.021 (0.012 to 0.030)"},
            {"gate": "selection_rate_ratio by carrier >= 0.5", "verdict": "not_enough_evidence",
             "value": None, "bound": 0.5, "detail": "3 carriers have fewer than 30 rows"},
        ],
    }  # fmt: skip
    if champion:
        result["champion_metrics"] = {"roc_auc": estimate(value - 0.021)}
        result["comparison"] = {"difference": 0.021, "low": 0.012, "high": 0.030,
                                "probability_better": 0.9995, "n": 5321}  # fmt: skip
    return result


RUN = ["snapshot", "train", "evaluate", "register", "approve", "deploy", "promote"]


def cycle(
    project: Project, value: float, verdict: str | None, reason: str, cause: dict[str, Any]
) -> Cycle:
    """One trip; without a verdict it waits for a person."""
    champion = project.registry.alias("flights", "champion")
    begun = project.cycles.create("flights", cause=cause, plan=RUN, actor="controller")
    passed = verdict in (None, "promoted")
    results = {
        "snapshot": {"rows": 26_605, "dataset": "c0ffee" * 10 + "beef", "train_rows": 21_284,
                     "test_rows": 5_321, "split": "the latest 20 % by scheduled_at",
                     "notes": ["tailnum is nearly unique and was left out"]},
        "train": {"algorithm": "lightgbm", "metric": "roc_auc", "candidates": [
            {"algorithm": "lightgbm", "score": 0.671, "seconds": 3.2, "params": {}, "run": "r1"},
            {"algorithm": "logistic_regression", "score": 0.652, "seconds": 0.8, "params": {},
             "run": "r2"}]},
        "evaluate": tested(value, champion, passed),
    }  # fmt: skip
    for position, (name, result) in enumerate(results.items()):
        project.cycles.begin_step(begun.id, name, position)
        project.cycles.finish_step(begun.id, name, result)
    version = None
    if passed:
        version = register(project, begun, value)
        project.cycles.begin_step(begun.id, "approve", 4)
    if verdict is None:
        project.registry.set_alias(
            "flights", "challenger", version or 0, actor="t", by_rollout=True
        )
        project.cycles.set_state(begun.id, "waiting")
        return project.cycles.get(begun.id)
    if passed:
        project.cycles.finish_step(begun.id, "approve", {"approved": True, "by": "auto"})
        project.cycles.begin_step(begun.id, "deploy", 5)
        project.cycles.finish_step(begun.id, "deploy", {"kind": "canary", "steps": [
            {"weight": 0.05, "verdict": "pass", "reason": "120 canary predictions, no error",
             "ms": 60_100}]})  # fmt: skip
        project.registry.set_alias("flights", "champion", version or 0, actor="t", by_rollout=True)
        project.cycles.begin_step(begun.id, "promote", 6)
        project.cycles.finish_step(begun.id, "promote", {"version": version, "replaced": champion})
    return project.cycles.finish(begun.id, verdict=verdict, reason=reason, version=version)


def register(project: Project, begun: Cycle, value: float) -> int:
    """The version of a cycle, and its step."""
    made = project.registry.register(
        "flights", key=begun.id, digest="ab" * 32, algorithm="lightgbm",
        files={"model.onnx": "cd" * 32}, run=None, dataset=None, cycle=begun.id,
        metrics={"roc_auc": value}, actor="t",
    )  # fmt: skip
    project.cycles.begin_step(begun.id, "register", 3)
    project.cycles.finish_step(
        begun.id, "register", {"version": made.version, "digest": made.digest}
    )
    return made.version


def windows(project: Project, count: int, quarantined: int) -> None:
    """Weekly windows with their scores, one of them in quarantine with its alert."""
    with project.db.write() as conn:
        for week in range(count):
            start, worse = START + 7 * week * DAY, week % 11 == 7
            score = 0.66 - 0.0012 * week + 0.011 * ((week * 37) % 7 - 3) / 3 - 0.03 * worse
            found = []
            if week == quarantined:
                found.append(alert(start, "quality", "distance",
                    "distance looks multiplied by 1.609: miles became kilometres"))  # fmt: skip
            if worse:
                found.append(alert(start, "performance", None,
                    f"roc_auc is {score:.3f} ({score - 0.02:.3f} to {score + 0.02:.3f}), 0.664 "
                    "when it was tested"))  # fmt: skip
            performance = {"metric": "roc_auc", "value": score, "low": score - 0.02,
                           "high": score + 0.02, "rows": 6000, "tested": 0.664, "p_value": 0.2,
                           "baseline": {"metric": "roc_auc", "value": 0.664, "low": 0.65,
                                        "high": 0.68},
                           "worse": worse, "state": "done"}  # fmt: skip
            project.windows.save(conn, Window(
                endpoint="flights", start=start, end=start + 7 * DAY, rows=6000, labelled=6000,
                checks=checks(week, week == quarantined), performance=performance,
                quarantined=week == quarantined, updated=start,
            ), found)  # fmt: skip


def checks(week: int, quarantined: bool) -> dict[str, Any]:
    """What was found of three features: one moves all the time, one in a part, one is broken."""

    def drift(effect: float, drifted: bool, far: bool) -> dict[str, Any]:
        return {"test": "kolmogorov_smirnov", "effect": effect, "p_value": 0.01, "adjusted": 0.02,
                "summary": "median 48 → 30", "drifted": drifted, "far": far,
                "moved": "location"}  # fmt: skip

    fault = {"check": "unit", "summary": "distance looks multiplied by 1.609: miles → kilometres",
             "quarantine": True}  # fmt: skip
    part = {**drift(0.2, True, False), "feature": "origin", "segment": "carrier 'B6'"}
    return {
        "faults": {"distance": fault} if quarantined else {},
        "drift": {"origin": drift(0.01, False, False), "distance": drift(0.02, False, False),
                  "temp": drift(min(week / 40, 0.9), week > 20, week > 30)},
        "segments": {"origin where carrier 'B6'": part} if week == 38 else {},
    }  # fmt: skip


def alert(start: int, kind: Any, feature: str | None, summary: str) -> Alert:
    return Alert(
        id=alert_id("flights", start, kind, feature), endpoint="flights", window=start, kind=kind,
        severity="critical" if kind == "quality" else "warning", feature=feature,
        summary=summary, evidence={}, at=start + 8 * DAY,
    )  # fmt: skip


def tell(project: Project) -> list[Cycle]:
    """The whole past: promoted, rejected, promoted, not worth it, and one that waits."""
    project.sync_file()
    cycles = [
        cycle(project, 0.643, "promoted", "The first version passed its gates.",
              {"kind": "person"}),
        cycle(project, 0.641, "rejected", "selection_rate_ratio by carrier: 0.41, at least 0.5",
              {"kind": "schedule", "summary": "every 30d"}),
        cycle(project, 0.664, "promoted",
              "roc_auc is better by 0.021 (0.012 to 0.030) on the same 5,321 rows.",
              {"kind": "drift", "summary": "visibility and origin drifted in 3 windows"}),
        cycle(project, 0.665, "not_worth_it", f"no better than version 2 {EVIL}",
              {"kind": "performance", "summary": "roc_auc fell to 0.617"}),
        cycle(project, 0.681, None, "", {"kind": "person", "comment": EVIL}),
    ]  # fmt: skip
    arms = [Arm(2, "ab" * 32, 0.95, "champion"), Arm(3, "cd" * 32, 0.05, "canary")]
    project.endpoints.set_rollout("flights", "flights", arms, actor="t")
    windows(project, 40, quarantined=31)
    return cycles


def traffic() -> dict[str, Traffic]:
    """What the data plane would count."""
    counts = {"requests": 18_234, "rows": 181_020, "errors": 3,
              "latency_ms": {"mean": 0.9, "p50": 0.5, "p99": 5.0}}  # fmt: skip
    arms = [{"version": 2, "role": "champion", "weight": 1.0, "digest": "ab" * 32}]
    return {"flights": Traffic("flights", arms, {"2": {"champion": counts}})}
