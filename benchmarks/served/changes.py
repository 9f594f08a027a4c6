"""What a deployment costs callers: a canary beside the champion, and swaps under load."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
from collections.abc import Sequence
from math import exp, log, sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy.stats import t as student

from everloop.deploy.package import MODEL, Package, read_package
from everloop.deploy.packaging import store_package, write_package
from everloop.deploy.rollout import Deployed, plan_arms
from everloop.deploy.state import Arm
from everloop.loop.project import Project
from served.models import NAME
from served.sides import sides

SHARE = 0.1  # of the traffic, for the canary
SWAP_S = 0.5  # between two swaps
APPLIED_S = 30.0


def second(project: Project) -> list[Deployed]:
    """The champion, and the same model once more as a version and a package of its own."""
    champion = project.champion(NAME)
    assert champion is not None
    first, package = project.package(champion)
    again = Package(
        model=package.model, task=package.task, algorithm=package.algorithm,
        created=package.created + 1, schema=package.schema,
    )  # fmt: skip
    folder = project.state / "again"
    digest = write_package(folder, again, {MODEL: (first / MODEL).read_bytes()}, project.keys)
    read_package(folder, project.keys)
    version = project.registry.register(
        NAME, key="again", digest=digest, algorithm=package.algorithm,
        files=store_package(folder, project.blobs), run=None, dataset=None, cycle=None,
        metrics={}, actor="benchmark",
    )  # fmt: skip
    return [
        Deployed(champion.version, champion.package_digest()),
        Deployed(version.version, digest),
    ]


def publish(project: Project, arms: Sequence[Arm], port: int) -> None:
    """The arms answer when it returns."""
    project.endpoints.set_rollout(NAME, NAME, arms, actor="benchmark")
    revision, deadline = project.publish(), time.monotonic() + APPLIED_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            if json.load(answer)["revision"] == revision:
                return
        time.sleep(0.01)
    raise TimeoutError(f"revision {revision} was not applied within {APPLIED_S:g} s")


def canary(folder: Path, seconds: float, pairs: int) -> dict[str, Any]:
    """Throughput with a canary of 10 % over that without: pairs of turns, in random order."""
    side, draw = sides()["everloop"], random.Random(0)
    ratios, rates = [], {False: [], True: []}
    with side.running(folder) as port, Project.open(folder) as project:
        champion, other = second(project)
        arms = {on: plan_arms(champion, other if on else None, SHARE if on else 0.0)
                for on in (False, True)}  # fmt: skip
        side.ask(port, 1, folder, 1)
        errors = 0
        for _ in range(pairs):
            found = {}
            for on in draw.sample([False, True], 2):
                publish(project, arms[on], port)
                said = side.ask(port, 1, folder, seconds)
                found[on], errors = said["rate"], errors + said["errors"]
                rates[on].append(said["rate"])
            ratios.append(log(found[True] / found[False]))
        publish(project, arms[False], port)
    middle = mean(ratios)
    half = student.ppf(0.975, pairs - 1) * stdev(ratios) / sqrt(pairs) if pairs > 1 else 1.0
    return {
        "pairs": pairs, "without": mean(rates[False]), "with": mean(rates[True]),
        "ratio": exp(middle), "low": exp(middle - half), "high": exp(middle + half),
        "errors": errors,
    }  # fmt: skip


def swaps(folder: Path, seconds: float, requests: int) -> dict[str, Any]:
    """Two versions take turns as the champion, all the time, until so many requests were made."""
    side = sides()["everloop"]
    made, failed, turns = 0, 0, 0
    done = threading.Event()
    with side.running(folder) as port, Project.open(folder) as project:
        versions = second(project)

        def swap() -> None:
            nonlocal turns
            while not done.wait(SWAP_S):
                turns += 1
                publish(project, plan_arms(versions[turns % 2], None, 0.0), port)

        swapping = threading.Thread(target=swap)
        swapping.start()
        p99 = []
        try:
            while made < requests:
                said = side.ask(port, 1, folder, seconds)
                made, failed = made + int(said["requests"]), failed + int(said["errors"])
                p99.append(said["p99"])
        finally:
            done.set()
            swapping.join()
    return {"requests": made, "failed": failed, "swaps": turns, "p99": max(p99)}
