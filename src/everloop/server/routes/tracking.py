"""Experiments, runs and what they logged."""

from __future__ import annotations

from everloop.server.api import experiments, ingest, live, runs
from everloop.server.call import Page
from everloop.server.routes._paths import EXPERIMENT, FIND, KEYSET, RUN, V1
from everloop.server.routing import Route
from everloop.tracking.records import Experiment, Run

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
    Route("GET", RUN + "/live", live.live, "read", "What happens to a run, as it happens",
          media="text/event-stream"),
)
# fmt: on
