"""An address for every page of the table, in a project whose past is told."""

from __future__ import annotations

import story

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.monitor.spec import MonitorSpec
from everloop.server.routes import ROUTES

# What cannot be shown by a past that is told, and where it is tested instead.
ELSEWHERE = {
    "/endpoints/{endpoint}/windows/{start}/profile": "needs rows: tests/server",
    "/models/{model}/versions/{version}/ask": "needs a model that answers: tests/server",
    "/backtests/{backtest}": "needs a backtest: tests/server/test_backtests_api.py",
}
EVIL = f"{story.EVIL} \u202egnp.exe 🜲<b>"


def more(project: Project) -> dict[str, str]:
    """Runs, people, a dataset and alerts beside the story; what paths may have for each name."""
    made = project.experiments.create(f"trees {EVIL}")
    runs = [project.runs.create(made.id, name=f"{EVIL} {n}").id for n in range(3)]
    for run in runs:
        project.runs.log_params(run, {"depth": "3", "note": EVIL})
        project.runs.log_tags(run, {"team": EVIL, "mlflow.note.content": EVIL})
        for step in range(20):
            project.runs.log_metrics(run, {"loss": 1 / (step + 1)}, step=step)
    project.people.add("rita", roles=["reviewer"], actor="t")
    project.alerts.route("flights", MonitorSpec())
    line = project.alerts.page(limit=1)[0]
    return {
        "run": runs[0],
        "run2": runs[1],
        "alert": line.incident.id,
        "loop": "flights",
        "model": "flights",
        "version": "2",
        "endpoint": "flights",
        "start": str(story.START),
    }


def pages() -> list[str]:
    """The pages of the table, those without parameters first."""
    html = [r for r in ROUTES if r.method == "GET" and r.media == "text/html"]
    found = [r.path for r in html if not r.path.startswith("/api/")]
    return sorted(set(found) - ELSEWHERE.keys(), key=lambda path: ("{" in path, path))


def address(path: str, names: dict[str, str], cycles: list[Cycle]) -> str:
    """A page's address; an unknown parameter raises KeyError: name it in :func:`more`."""
    query = {
        "/search": "?q=flights",
        "/runs/compare": f"?runs={names['run']},{names['run2']}",
        "/events": "?subject=loop/flights",
    }
    return path.format(**names, cycle=cycles[4].id) + query.get(path, "")
