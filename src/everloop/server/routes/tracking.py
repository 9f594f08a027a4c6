"""Experiments, runs and what they logged."""

from __future__ import annotations

from everloop.console.runs.completing import Completion
from everloop.console.runs.curves import Curves
from everloop.server.api import curves, experiments, ingest, live, runs, views
from everloop.server.call import Page
from everloop.server.routes._paths import EXPERIMENT, FIND, KEYSET, RUN, V1, VIEW
from everloop.server.routing import Route
from everloop.tracking.records import Experiment, Run
from everloop.tracking.search.groups import Groups
from everloop.tracking.search.keys import Keys
from everloop.tracking.views import RunQuery, SavedView

# fmt: off
TRACKING = (
    Route("GET", V1 + "/experiments", experiments.listing, "read", "Experiments, newest first",
          answer=Page, query=FIND),
    Route("POST", V1 + "/experiments", experiments.create, "write", "Add an experiment",
          body=experiments.ExperimentBody, answer=Experiment, status=201),
    Route("GET", EXPERIMENT, experiments.get, "read", "An experiment", answer=Experiment),
    Route("PATCH", EXPERIMENT, experiments.rename, "write", "Give an experiment another name",
          body=experiments.NameBody, answer=Experiment),
    Route("DELETE", EXPERIMENT, experiments.delete, "write", "Delete an experiment and its runs",
          answer=Experiment),
    Route("POST", EXPERIMENT + "/restore", experiments.restore, "write", "Take a deletion back",
          answer=Experiment),
    Route("POST", EXPERIMENT + "/tags", experiments.tags, "write", "Set and remove tags",
          body=experiments.TagsBody, answer=Experiment),
    Route("GET", V1 + "/runs", runs.listing, "read", "Runs by filter and order, newest first",
          answer=Page, query=("experiment", *FIND)),
    Route("GET", V1 + "/runs.arrow", runs.arrow, "read", "All runs of a filter as an Arrow stream",
          query=("experiment", "filter", "view"), media="application/vnd.apache.arrow.stream",
          slow=True),
    Route("GET", V1 + "/runs/groups", runs.groups, "read",
          "Runs by status, experiment, a param or a tag, with the spread of metrics",
          answer=Groups, query=("by", "experiment", "filter", "metric", "order_by", "view")),
    Route("GET", V1 + "/runs/keys", runs.keys, "read", "Names of metrics, params and tags",
          answer=Keys, query=("experiment", "view")),
    Route("GET", V1 + "/runs/complete", runs.completion, "read",
          "What may come next in a filter", answer=Completion,
          query=("experiment", "filter", "at")),
    Route("GET", V1 + "/views", views.listing, "read", "Saved views of runs, by name",
          answer=Page),
    Route("GET", VIEW, views.get, "read", "A saved view", answer=SavedView),
    Route("PUT", VIEW, views.save, "write", "Save a view; another's needs an admin",
          body=RunQuery, answer=SavedView),
    Route("DELETE", VIEW, views.delete, "write", "Delete a saved view", answer=SavedView),
    Route("POST", V1 + "/runs", runs.create, "write", "Begin a run", body=runs.RunBody,
          answer=Run, status=201),
    Route("GET", RUN, runs.get, "read", "A run", answer=Run),
    Route("PATCH", RUN, runs.update, "write", "Change a run's status or name",
          body=runs.ChangeBody, answer=Run),
    Route("DELETE", RUN, runs.delete, "write", "Delete a run", answer=Run),
    Route("POST", RUN + "/restore", runs.restore, "write", "Take a deletion back", answer=Run),
    Route("POST", RUN + "/log", ingest.log, "write", "Log points, params and tags",
          body=ingest.LogBody, answer=ingest.Logged, raw=True),
    Route("POST", RUN + "/remove-tags", runs.remove_tags, "write", "Remove tags",
          body=runs.RemoveBody, answer=Run),
    Route("GET", RUN + "/history", runs.history, "read", "All points of a metric", answer=Page,
          query=("key", *KEYSET)),
    Route("GET", RUN + "/sampled", runs.sampled, "read", "A metric at evenly spread steps",
          answer=runs.Sampled, query=("key", "first", "last", "limit")),
    Route("GET", V1 + "/metrics/curves", curves.curves, "read",
          "A metric of up to 50 runs for a chart, the extremes exact", answer=Curves,
          query=curves.QUERY),
    Route("GET", V1 + "/metrics/curves.svg", curves.drawing, "read",
          "The same as a picture", media="image/svg+xml", query=(*curves.QUERY, *curves.LOOKS)),
    Route("GET", RUN + "/live", live.live, "read", "What happens to a run, as it happens",
          media="text/event-stream"),
)
# fmt: on
