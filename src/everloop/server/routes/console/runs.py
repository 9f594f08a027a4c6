"""The pages of runs."""

from __future__ import annotations

from everloop.console.runs.comparison import ComparePage
from everloop.console.runs.run import RunPage
from everloop.console.runs.study import AskedOf as Study
from everloop.console.runs.study import StudyPage
from everloop.console.runs.table import Asked, RunsPage
from everloop.server.pages import comparison, run, runs, studies
from everloop.server.routes._paths import HTML
from everloop.server.routes.console._base import form, pair
from everloop.server.routing import Route

# fmt: off
RUNS = (
    *pair("/runs", runs.runs, runs.runs_json, RunsPage, "The page of runs",
          query=Asked.__struct_fields__),
    form("/runs/compared", runs.compared, "read",
         "Its boxes: runs; leads to the page that compares them"),
    form("/runs/chosen", runs.chosen, "write",
         "Its boxes: runs, and do delete or restore; leads back to it"),
    form("/runs/views", runs.views, "write",
         "Its saved views: do save or delete, a name and the query; leads to the page of it"),
    form("/runs/{run}/notes", runs.annotate, "write",
         "A run's notes: do note, tag or untag with note, key and value; leads to its page"),
    form("/runs/{run}/again", run.reproduce, "write",
         "A run's button: trains its model again and compares; leads to the cycle that does"),
    *pair("/runs/compare", comparison.compare, comparison.compare_json, ComparePage,
          "Up to 50 runs side by side", query=comparison.QUERY),
    *pair("/studies/{study}", studies.study, studies.study_json, StudyPage,
          "A study's page: its trials, what the best came from, which params matter",
          query=Study.__struct_fields__, slow=True),
    Route("GET", "/runs/{run}/preview/{path:path}", run.preview, "read",
          "A run's HTML file for a frame, in which nothing of it runs", media=HTML),
    *pair("/runs/{run}", run.run, run.run_json, RunPage, "A run's page", query=run.QUERY),
)
# fmt: on
