"""The pages of runs."""

from __future__ import annotations

from everloop.console.runs import Asked, RunPage, RunsPage
from everloop.server.pages import runs
from everloop.server.routes.console._base import pair

# fmt: off
RUNS = (
    *pair("/runs", runs.runs, runs.runs_json, RunsPage, "The page of runs",
          query=Asked.__struct_fields__),
    *pair("/runs/{run}", runs.run, runs.run_json, RunPage, "A run's page", query=("folder",)),
)
# fmt: on
