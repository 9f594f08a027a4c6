"""An address for every page of the table, in a project whose past is told."""

from __future__ import annotations

from urllib.parse import quote

import shelf
import story

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.monitor.spec import MonitorSpec
from everloop.server.routes import ROUTES

# What cannot be shown by a past that is told, and where it is tested instead.
ELSEWHERE = {
    "/endpoints/{endpoint}/windows/{start}/profile": "needs rows of a window: tests/server",
    "/models/{model}/versions/{version}/ask": "needs a model that answers: tests/server",
    "/backtests/{backtest}": "needs a backtest: tests/server/test_backtests_api.py",
    "/runs/{run}/preview/{path:path}": "is a frame of a run's page",
}
EVIL = f"{story.EVIL} \u202egnp.exe 🜲<b>"
QUERIES = {
    "/search": "?q=flights",
    "/runs/compare": "?runs={run},{run2}",
    "/events": "?subject=loop/flights",
    "/models/{model}/compare": "?versions=1,3",
    "/datasets/{digest}/compare": "?to={digest2}",
}
# The endpoint whose windows were looked at; the others have the one with a log and a rollout.
LOOKED_AT = ("/monitor", "/windows/{start}")


def more(project: Project) -> dict[str, str]:
    """A shelf of models, runs, people and alerts beside the story; values for names in paths."""
    filled = shelf.fill(project.dir)
    filled.project.close()
    made = project.experiments.create(f"trees {EVIL}")
    runs = [project.runs.create(made.id, name=f"{EVIL} {n}").id for n in range(3)]
    for place, run in enumerate(runs):
        project.runs.log_params(run, {"depth": f"{place}", "algorithm": EVIL})
        project.runs.log_tags(run, {"study": "s1", "mlflow.note.content": EVIL})
        for step in range(20):
            project.runs.log_metrics(run, {"loss": (1 + place) / (step + 1)}, step=step)
        project.runs.finish(run)
    project.people.add("rita", roles=["reviewer"], actor="t")
    project.alerts.route("flights", MonitorSpec())
    return {
        "run": runs[0],
        "run2": runs[1],
        "study": "s1",
        "alert": project.alerts.page(limit=1)[0].incident.id,
        "loop": "flights",
        "model": quote(shelf.NAME, safe=""),
        "version": "2",
        "digest": filled.datasets[1].digest,
        "digest2": filled.datasets[0].digest,
        "endpoint": "shop",
        "start": str(story.START),
    }


def pages() -> list[str]:
    """The pages of the table, those without parameters first."""
    html = [r for r in ROUTES if r.method == "GET" and r.media == "text/html"]
    found = [r.path for r in html if not r.path.startswith("/api/")]
    return sorted(set(found) - ELSEWHERE.keys(), key=lambda path: ("{" in path, path))


def address(path: str, names: dict[str, str], cycles: list[Cycle]) -> str:
    """A page's address; an unknown parameter raises KeyError: name it in :func:`more`."""
    known = {**names, "cycle": cycles[4].id}
    if path.endswith(LOOKED_AT):
        known["endpoint"] = "flights"
    return (path + QUERIES.get(path, "")).format(**known)
