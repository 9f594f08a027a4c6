"""The pages of runs."""

from __future__ import annotations

from everloop.console.run import RunPage
from everloop.console.runs import Asked, RunsPage
from everloop.server.pages import run, runs
from everloop.server.routes.console._base import pair

# fmt: off
RUNS = (
    *pair("/runs", runs.runs, runs.runs_json, RunsPage, "The page of runs",
          query=Asked.__struct_fields__),
    *pair("/runs/{run}", run.run, run.run_json, RunPage, "A run's page", query=("folder",)),
)
# fmt: on
