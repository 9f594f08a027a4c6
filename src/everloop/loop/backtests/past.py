"""What the loop file says, and what a backtest does otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from everloop.data.spec import DataSpec
from everloop.loop.backtests.places import ROWS
from everloop.loop.backtests.records import Plan, Policy
from everloop.loop.declaration import Declaration, from_dict, to_dict
from everloop.loop.project import Project


def of_the_past(declaration: Declaration, plan: Plan) -> Declaration:
    """The loop over the plan's table."""
    if not plan.data:
        return declaration
    data = msgspec.structs.replace(declaration.data, source=plan.data, query=None)
    return msgspec.structs.replace(declaration, data=data)


def in_windows(declaration: Declaration, data: DataSpec, width: str, delay: str) -> Declaration:
    """Windows of the plan's, labels by its delay, nobody told, nothing read from elsewhere."""
    raw = to_dict(declaration)
    raw["data"] = {**msgspec.to_builtins(data), "source": ROWS, "query": None}
    monitor = raw["monitor"]
    performance = {**(monitor["performance"] or {}), "labels_after": delay}
    raw["monitor"] = {
        **monitor, "window": width, "performance": performance, "source": None, "alerts": [],
        "channels": {}, "health": None, "silence": "",
    }  # fmt: skip
    raw["deploy"] = {**raw["deploy"], "rollout": {"kind": "direct"}}
    raw["update"] = {**raw["update"], "approvals": None}
    return from_dict(raw).declaration


def labels_after(declaration: Declaration) -> str:
    performance = declaration.monitor.performance
    return "0s" if performance is None else performance.labels_after


def otherwise(declaration: Declaration, policies: list[Policy], plan: Plan) -> list[str]:
    """What is otherwise than the loop file, or a policy, has it."""
    notes = []
    if declaration.deploy.rollout.kind != "direct":
        kind = declaration.deploy.rollout.kind.replace("_", " ")
        notes.append(f"Rollouts are direct: a history has no traffic for a {kind} to be judged by.")
    asked = declaration.update.approval
    if any(policy.update.get("approval", asked) == "human" for policy in policies):
        after = f"after {plan.approve_after}" if plan.approve_after else "at once"
        notes.append(f"People say yes {after}.")
    return notes


def bring_files(project: Project, declaration: Declaration, base: Path) -> None:
    """Files beside the loop file that it names."""
    for name in (declaration.data.schema, declaration.monitor.expectations):
        if name and (project.dir / name).is_file():
            to = base / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project.dir / name, to)
