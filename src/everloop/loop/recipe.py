"""What it takes to train a model again: code, environment, command, data and choices."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import msgspec

from everloop.errors import NotFound
from everloop.loop.declaration import Declaration, to_dict
from everloop.loop.project import Project
from everloop.tracking.artifacts.paths import join, key_of

FILE = "recipe.json"
MAX_DIFF = 1_000_000  # bytes that are kept of changes without a commit
_GIT_SECONDS = 10.0


class Recipe(msgspec.Struct, frozen=True):
    """The surroundings of one training.

    Attributes
    ----------
    declaration : the loop as it was declared then.
    cycle : in which it happened; its snapshot names the rows.
    commit, diff : of the git repository that the project lies in, and what was not committed;
        None outside of one.
    command : what was run.
    environment : Python, platform, cores, and each installed package with its version.
    """

    declaration: dict[str, Any]
    cycle: str
    seed: int
    dataset: str
    commit: str | None
    diff: str | None
    command: list[str]
    environment: dict[str, str]


def recipe(project: Project, declaration: Declaration, cycle: str, dataset: str) -> Recipe:
    """The recipe of a training that happens now."""
    return Recipe(
        declaration=to_dict(declaration),
        cycle=cycle,
        seed=declaration.loop.seed,
        dataset=dataset,
        commit=_git(project.dir, "rev-parse", "HEAD"),
        diff=(_git(project.dir, "diff", "HEAD") or "")[:MAX_DIFF] or None,
        command=_command(),
        environment=environment(),
    )


def environment() -> dict[str, str]:
    """What the result of a training may depend on beside code and data."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    found["cores"] = str(len(os.sched_getaffinity(0)))
    for name, version in sorted(_head(package) for package in distributions()):
        found[f"package {name}"] = version
    return found


def _head(package: Distribution) -> tuple[str, str]:
    """Name and version of an installed package.

    Parsing all of its metadata, which ends in a README, takes 20 times as long.
    """
    text = package.read_text("METADATA") or package.read_text("PKG-INFO") or ""
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    known = {key: value.strip() for key, _, value in lines if key in ("Name", "Version")}
    return known.get("Name", "").lower(), known.get("Version", "")


def keep_recipe(project: Project, run: str, made: Recipe) -> None:
    """Store the recipe with a run, which shows commit and command among its tags."""
    project.artifacts.put(_place(project, run), msgspec.json.encode(made))
    tags = {"command": " ".join(made.command), "mlflow.source.git.commit": made.commit or ""}
    project.runs.log_tags(run, {key: value for key, value in tags.items() if value})


def read_recipe(project: Project, run: str) -> Recipe | None:
    """The recipe of a run; None where there is none."""
    try:
        text = b"".join(project.artifacts.read(_place(project, run)))
    except NotFound:
        return None
    return msgspec.json.decode(text, type=Recipe)


def changes(then: Recipe, now: Recipe) -> list[str]:
    """What is different today, a line each."""
    lines = []
    if then.commit != now.commit:
        lines.append(f"commit {then.commit} then, {now.commit} now")
    if then.diff != now.diff:
        files = ", ".join(_changed_files(then.diff, now.diff)[:5])
        lines.append(f"changes without a commit are others: {files}")
    for key in sorted(set(then.environment) | set(now.environment)):
        before, after = then.environment.get(key), now.environment.get(key)
        if before != after:
            lines.append(f"{key} {before or 'absent'} then, {after or 'absent'} now")
    return lines


def _changed_files(then: str | None, now: str | None) -> list[str]:
    """The files whose changes without a commit are not the same."""
    before, after = _by_file(then), _by_file(now)
    return sorted(f for f in before.keys() | after.keys() if before.get(f) != after.get(f))


def _by_file(diff: str | None) -> dict[str, str]:
    """The part of each file of a git diff."""
    parts = f"\n{diff or ''}".split("\ndiff --git ")[1:]
    return {part.partition("\n")[0].rpartition(" b/")[2]: part for part in parts}


def _place(project: Project, run: str) -> str:
    return join(key_of(project.runs.get(run).location), FILE)


def _command() -> list[str]:
    """The command of a person: a worker's is that of the process it works for."""
    own = list(sys.argv)
    if Path(own[0]).parts[-2:] != ("loop", "worker.py"):
        return own
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode(errors="replace")
        return text.rstrip("\0").split("\0")
    return own


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()
