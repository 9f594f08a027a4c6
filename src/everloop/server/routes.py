"""The route table: everything this server answers, and the permission each line asks for.

``public`` asks for nothing, ``read`` looks, ``write`` changes what a loop does, ``admin`` is for
those who run the server. A route that names no permission is denied to everybody.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from everloop.console.alerts import AlertPage, AlertsPage, RulesPage
from everloop.console.backtests import BacktestsPage
from everloop.console.cycle import CyclePage
from everloop.console.decision import DecisionPage
from everloop.console.endpoint import EndpointPage
from everloop.console.models import ModelPage, ModelsPage
from everloop.console.operations import OperationsPage
from everloop.console.overview import Overview
from everloop.console.runs import Asked, RunPage, RunsPage
from everloop.console.version import AnswerPage, VersionPage
from everloop.console.window import WindowPage
from everloop.data.versions import DatasetVersion
from everloop.deploy.rollouts import Rollout
from everloop.deploy.serving.following import Published
from everloop.deploy.serving.standing import Standing
from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.fairness.mitigation import Mitigated
from everloop.evaluate.report._base import Report
from everloop.loop.approving import Decision
from everloop.loop.backtests.records import Listed, Plan
from everloop.loop.batches.records import Batch
from everloop.loop.case import Case
from everloop.loop.cycles import Cycle
from everloop.loop.deciding import Audited
from everloop.loop.decision_record import SignedRecord
from everloop.loop.direct import Promoted
from everloop.loop.kserve import Taken
from everloop.loop.replaying import Replayed
from everloop.loop.watching import Looked
from everloop.monitor.alerting.desk import AlertDetail, ChannelTested
from everloop.monitor.alerting.silences import Silence
from everloop.monitor.cause.found import Cause
from everloop.monitor.feedback import Fed
from everloop.monitor.foreign import Logged
from everloop.monitor.profile_report import ProfileReport
from everloop.monitor.quality.expectations import Expectations
from everloop.monitor.receiving import Size
from everloop.monitor.window_report import WindowReport
from everloop.monitor.windows import Window
from everloop.registry.models import Model, ModelVersion
from everloop.registry.webhooks.records import Webhook
from everloop.server import health, pages
from everloop.server.api import (
    alerts,
    artifacts,
    backtests,
    check,
    cycles,
    experiments,
    explanations,
    exports,
    feeding,
    ingest,
    kserve,
    live,
    loops,
    models,
    moves,
    people,
    planes,
    predictions,
    records,
    registering,
    reports,
    rollouts,
    runs,
    serving,
    webhooks,
)
from everloop.server.call import Call, Page
from everloop.server.openapi import document
from everloop.server.routing import Route
from everloop.store.people import PersonWithToken
from everloop.tracking.artifacts.store import Entry
from everloop.tracking.deletion.collection import Collected
from everloop.tracking.moving.queue import Move
from everloop.tracking.records import Experiment, Run
from everloop.update.situation import Heard, Paused

KEYSET = ("before", "limit")
RUNS = Asked.__struct_fields__
FIND = ("filter", "order_by", "view", *KEYSET)
SEARCH = ("filter", "order_by", "after", "limit")
ASK = ("feature", "by", "row", "do")
HTML, TEXT = "text/html", "text/plain"
OBJECT = dict[str, Any]
V1 = "/api/v1"
RUN, EXPERIMENT = V1 + "/runs/{run}", V1 + "/experiments/{experiment}"
LOOP, MODEL, ENDPOINT = V1 + "/loops/{loop}", V1 + "/models/{model}", V1 + "/endpoints/{endpoint}"
ROLLOUT, CYCLE = V1 + "/rollouts/{rollout}", V1 + "/cycles/{cycle}"
IMPORT, EXPORT = V1 + "/imports/{move}", V1 + "/exports/{move}"
PREDICTION = V1 + "/predictions/{prediction}"
BACKTEST = V1 + "/backtests/{backtest}"
PLANE = V1 + "/data-plane"
VERSION, WEBHOOK = MODEL + "/versions/{version}", V1 + "/webhooks/{webhook}"


async def openapi(call: Call) -> dict[str, Any]:
    """This table as an OpenAPI document."""
    return table_document()


@functools.cache
def table_document() -> dict[str, Any]:
    """Made when it is first asked for, not at every start."""
    return document(ROUTES)


# fmt: off
PAGES = (
    Route("GET", "/", pages.overview, "read", "The console's first page", media=HTML),
    Route("GET", "/index.json", pages.overview_json, "read", "The same as JSON", answer=Overview),
    Route("GET", "/cycles/{cycle}.json", pages.cycle_json, "read", "A cycle's page as JSON",
          answer=CyclePage, query=("replay",)),
    Route("GET", "/cycles/{cycle}", pages.cycle, "read",
          "A cycle's page; replay=1 makes its decisions again", media=HTML, query=("replay",)),
    Route("GET", "/cycles/{cycle}/decision.json", pages.decision_json, "read",
          "The page of a cycle's decision as JSON", answer=DecisionPage),
    Route("GET", "/cycles/{cycle}/decision", pages.decision, "read",
          "The page of a cycle's decision", media=HTML),
    Route("POST", "/cycles/{cycle}/decision", pages.decide, "decide",
          "Its form: do (approve, reject, comment, rollback) and comment; leads to it again",
          body=bytes, raw=True, status=303, media=HTML),
    Route("GET", "/sign-in", pages.sign_in, "public",
          "Asks a browser for a person's name and token; leads to the path of the query",
          status=303, media=HTML, query=("to",)),
    Route("GET", "/backtests.json", pages.backtests_json, "read", "The backtests as JSON",
          answer=BacktestsPage),
    Route("GET", "/backtests", pages.backtests, "read", "All backtests of the project",
          media=HTML),
    Route("GET", "/backtests/{backtest}.json", pages.backtest_json, "read",
          "A backtest's page as JSON", answer=Listed),
    Route("GET", "/backtests/{backtest}", pages.backtest, "read",
          "A backtest's page: its policies side by side", media=HTML),
    Route("GET", "/endpoints/{endpoint}.json", pages.endpoint_json, "read",
          "An endpoint's page as JSON", answer=EndpointPage),
    Route("GET", "/endpoints/{endpoint}", pages.endpoint, "read", "An endpoint's page",
          media=HTML),
    Route("GET", "/endpoints/{endpoint}/windows/{start}.json", pages.window_json, "read",
          "A window's page as JSON", answer=WindowPage),
    Route("GET", "/endpoints/{endpoint}/windows/{start}", pages.window, "read", "A window's page",
          media=HTML),
    Route("POST", "/endpoints/{endpoint}/windows/{start}", pages.release, "write",
          "A window's button: a form with do (release) and comment; leads to its page again",
          body=bytes, raw=True, status=303, media=HTML),
    Route("GET", "/endpoints/{endpoint}/windows/{start}/profile.json", pages.profile_json, "read",
          "The page of a window's profile as JSON", answer=ProfileReport,
          query=("until", "segment")),
    Route("GET", "/endpoints/{endpoint}/windows/{start}/profile", pages.profile, "read",
          "The page of a window's profile", media=HTML, query=("until", "segment")),
    Route("POST", "/rollouts/{rollout}", pages.steer, "write",
          "A button of a rollout: a form with do and comment; leads to the endpoint's page",
          body=bytes, raw=True, status=303, media=HTML),
    Route("GET", "/runs.json", pages.runs_json, "read", "The page of runs as JSON",
          answer=RunsPage, query=RUNS),
    Route("GET", "/runs", pages.runs, "read", "The page of runs", media=HTML, query=RUNS),
    Route("GET", "/runs/{run}.json", pages.run_json, "read", "A run's page as JSON",
          answer=RunPage, query=("folder",)),
    Route("GET", "/runs/{run}", pages.run, "read", "A run's page", media=HTML,
          query=("folder",)),
    Route("GET", "/models.json", pages.models_json, "read", "The page of models as JSON",
          answer=ModelsPage, query=("filter", "after")),
    Route("GET", "/models", pages.models, "read", "The page of models", media=HTML,
          query=("filter", "after")),
    Route("GET", "/models/{model}.json", pages.model_json, "read", "A model's page as JSON",
          answer=ModelPage, query=("before",)),
    Route("GET", "/models/{model}", pages.model, "read", "A model's page", media=HTML,
          query=("before",)),
    Route("GET", "/models/{model}/versions/{version}/ask", pages.answer, "read",
          "What a version answers to a question of its page", media=HTML, query=ASK, slow=True),
    Route("GET", "/models/{model}/versions/{version}/ask.json", pages.answer_json, "read",
          "The same as JSON", answer=AnswerPage, query=ASK, slow=True),
    Route("GET", "/models/{model}/versions/{version}.json", pages.version_json, "read",
          "A version's page as JSON", answer=VersionPage),
    Route("GET", "/models/{model}/versions/{version}", pages.version, "read", "A version's page",
          media=HTML),
    Route("POST", "/loops/{loop}", pages.pause, "write",
          "A loop's button: a form with do (pause or resume) and comment; leads to the overview",
          body=bytes, raw=True, status=303, media=HTML),
    Route("GET", "/alerts.json", pages.alerts_json, "read", "The page of alerts as JSON",
          answer=AlertsPage, query=("state", "before")),
    Route("GET", "/alerts", pages.alerts, "read", "The page of alerts", media=HTML,
          query=("state", "before")),
    Route("POST", "/alerts", pages.hush, "write",
          "Its form: do silence, for how long and why; or unsilence; leads to it again",
          body=bytes, raw=True, status=303, media=HTML),
    Route("GET", "/alerts/rules.json", pages.rules_json, "read",
          "The page of rules, channels and deliveries as JSON", answer=RulesPage),
    Route("GET", "/alerts/rules", pages.rules, "read",
          "The page of rules, channels, deliveries and silences", media=HTML),
    Route("POST", "/alerts/rules", pages.try_channel, "admin",
          "Its form: do test, loop and channel; answers with the page", body=bytes, raw=True,
          media=HTML, slow=True),
    Route("GET", "/alerts/{alert}.json", pages.alert_json, "read", "An alert's page as JSON",
          answer=AlertPage),
    Route("GET", "/alerts/{alert}", pages.alert, "read", "An alert's page", media=HTML),
    Route("GET", "/operations.json", pages.operations_json, "admin",
          "The page of webhooks, imports, exports and events as JSON", answer=OperationsPage),
    Route("GET", "/operations", pages.operations, "admin",
          "The page of webhooks, imports, exports and events", media=HTML),
    Route("GET", "/assets/{name}", pages.asset, "public", "A file of the console", media="*/*"),
    Route("GET", "/favicon.ico", pages.favicon, "public", "The console's icon",
          media="image/svg+xml"),
)
PROCESS = (
    Route("GET", "/health", health.health, "public", "The process is up", answer=dict[str, str]),
    Route("GET", "/ready", health.ready, "public", "The database answers and is current",
          answer=dict[str, str]),
    Route("GET", "/metrics", health.metrics, "read", "Counters for Prometheus", media=TEXT),
    Route("GET", "/openapi.json", openapi, "public", "This table as OpenAPI", answer=OBJECT),
)
LOOPS = (
    Route("GET", V1 + "/status", loops.status, "read", "The project at a glance",
          answer=loops.Status),
    Route("POST", V1 + "/check", check.check, "read", "Check a loop file's text",
          body=check.CheckBody, answer=check.Checked),
    Route("GET", V1 + "/loops", loops.listing, "read", "Every loop's status", answer=Page),
    Route("GET", LOOP, loops.get, "read", "A loop's declaration and status",
          answer=loops.Described),
    Route("GET", LOOP + "/history", loops.history, "read", "A loop's cycles, newest first",
          answer=Page, query=KEYSET),
    Route("POST", LOOP + "/cycles", loops.run, "write", "Go once round the loop",
          body=loops.RunBody, answer=Cycle, status=202),
    Route("POST", LOOP + "/train", loops.train, "write", "Train and register a version",
          body=loops.TrainBody, answer=Cycle, status=202),
    Route("POST", LOOP + "/test", loops.test, "write", "Measure a version again",
          body=loops.VersionBody, answer=Cycle, status=202),
    Route("POST", LOOP + "/reproduce", loops.reproduce, "write", "Train a run's model again",
          body=loops.ReproduceBody, answer=Cycle, status=202),
    Route("POST", LOOP + "/deploy", loops.deploy, "write", "Make a version the champion",
          body=loops.DeployBody, answer=Cycle, status=202),
    Route("POST", LOOP + "/predict", serving.predict, "read", "Ask the data plane",
          body=msgspec.Raw, answer=OBJECT),
    Route("POST", LOOP + "/monitor", loops.monitor, "write", "Look at the windows now",
          answer=Looked, slow=True),
    Route("GET", LOOP + "/expectations", loops.expectations, "read",
          "What the rows of a window should be like, from the file or as learned",
          answer=Expectations, slow=True),
    Route("POST", LOOP + "/update", loops.update, "write", "Do what the monitors ask for",
          body=loops.UpdateBody, answer=OBJECT, status=202, slow=True),
    Route("POST", LOOP + "/pause", loops.pause, "write",
          "Let no update of a loop begin by itself", body=loops.PauseBody, answer=Paused),
    Route("POST", LOOP + "/resume", loops.resume, "write", "Let a loop's updates begin again",
          body=loops.PauseBody, answer=loops.Resumed),
    Route("POST", V1 + "/pause", loops.pause_all, "admin",
          "Let no update of any loop begin by itself", body=loops.PauseBody, answer=Paused),
    Route("POST", V1 + "/resume", loops.resume_all, "admin",
          "Let all loops' updates begin again", body=loops.PauseBody, answer=loops.Resumed),
    Route("POST", LOOP + "/events", loops.tell, "write",
          "Tell a loop of an event upstream, which update.when may listen to",
          body=loops.EventBody, answer=Heard, status=201),
    Route("GET", V1 + "/cycles", cycles.listing, "read", "Cycles of all loops, newest first",
          answer=Page, query=("loop", *KEYSET)),
    Route("GET", V1 + "/cycles/{cycle}", cycles.get, "read", "A cycle with its steps",
          answer=cycles.CycleWithSteps),
    Route("GET", V1 + "/cycles/{cycle}/replay", cycles.replay, "read",
          "A cycle's decisions again, from its recorded evidence, and what differs",
          answer=Replayed),
    Route("GET", V1 + "/cycles/{cycle}/report", reports.of_cycle, "read",
          "The report that a cycle made, whatever its verdict", answer=Report, query=("as",)),
    Route("POST", CYCLE + "/approve", cycles.approve, "decide",
          "Say yes on a cycle that waits; with the last yes needed it goes on",
          body=cycles.WordBody, answer=Cycle),
    Route("POST", CYCLE + "/reject", cycles.reject, "decide", "Say no: a waiting cycle ends",
          body=cycles.WordBody, answer=Cycle),
    Route("POST", CYCLE + "/comment", cycles.comment, "decide", "Remark on a cycle",
          body=cycles.CommentBody, answer=Decision),
    Route("POST", CYCLE + "/rollback", cycles.rollback, "write",
          "End a cycle's trial, or deploy the version before its own",
          body=cycles.WordBody, answer=Cycle),
    Route("GET", CYCLE + "/decision", cycles.decision, "read",
          "Everything that a person needs to decide on a cycle", answer=Case),
    Route("GET", CYCLE + "/record", cycles.record, "read",
          "The signed record of what people decided", answer=SignedRecord),
    Route("GET", CYCLE + "/words", cycles.words, "read",
          "What people were asked about a cycle and said, with the signed record",
          answer=Decision),
)
REGISTRY = (
    Route("GET", V1 + "/models", models.listing, "read", "Models by name", answer=Page,
          query=SEARCH),
    Route("POST", V1 + "/models", models.create, "write", "Add a model without versions",
          body=models.NewModel, answer=Model, status=201),
    Route("GET", MODEL, models.get, "read", "A model", answer=Model),
    Route("PATCH", MODEL, models.change, "write", "Rename, describe or tag a model",
          body=models.ModelChange, answer=Model),
    Route("DELETE", MODEL, models.delete, "write", "Delete a model with its versions",
          answer=models.Deleted),
    Route("GET", MODEL + "/versions", models.versions, "read", "Versions, newest first",
          answer=Page, query=KEYSET),
    Route("POST", MODEL + "/versions", models.create_version, "write",
          "Add a version that is known by its source", body=models.NewVersion,
          answer=ModelVersion, status=201),
    Route("POST", MODEL + "/register", registering.register, "write",
          "Register a model that was made elsewhere", body=registering.RegisterBody,
          answer=ModelVersion, status=201, slow=True),
    Route("POST", VERSION + "/promote", registering.promote, "write",
          "Let a version answer at an endpoint at once", body=registering.PromoteBody,
          answer=Promoted, slow=True),
    Route("GET", VERSION, models.version, "read", "A version", answer=ModelVersion),
    Route("GET", VERSION + "/report", reports.of_version, "read",
          "A version's report as JSON, as a page or as a model card", answer=Report,
          query=("as",)),
    Route("POST", VERSION + "/explain", explanations.explain, "read",
          "What each feature adds to the answers to some rows", body=explanations.ExplainBody,
          answer=explanations.Explained, slow=True),
    Route("GET", VERSION + "/importance", explanations.importance, "read",
          "How much worse a version gets without each feature", answer=explanations.Important,
          slow=True),
    Route("GET", VERSION + "/dependence", explanations.dependence, "read",
          "The mean answer over the values of a feature", answer=Dependence,
          query=("feature",), slow=True),
    Route("POST", VERSION + "/counterfactual", explanations.counterfactual, "read",
          "The least change of a row that turns its answer", body=explanations.ChangeBody,
          answer=Counterfactual, slow=True),
    Route("GET", VERSION + "/fairness", explanations.fairness, "read",
          "How groups are treated, and what a fairer model would cost", answer=Mitigated,
          query=("by",), slow=True),
    Route("PATCH", VERSION, models.change_version, "write", "Describe, stage or tag a version",
          body=models.VersionChange, answer=ModelVersion),
    Route("DELETE", VERSION, models.delete_version, "write", "Delete a version",
          answer=models.Deleted),
    Route("GET", MODEL + "/aliases", models.aliases, "read", "A model's aliases",
          answer=models.Aliases),
    Route("PUT", MODEL + "/aliases/{alias}", models.set_alias, "write", "Point an alias",
          body=models.AliasBody, answer=models.Aliases),
    Route("DELETE", MODEL + "/aliases/{alias}", models.delete_alias, "write", "Remove an alias",
          answer=models.Aliases),
    Route("GET", V1 + "/model-versions", models.search_versions, "read",
          "Versions of all models, the last changed first", answer=Page, query=SEARCH),
    Route("GET", V1 + "/webhooks", webhooks.listing, "admin", "Webhooks, newest first",
          answer=Page, query=("after", "limit")),
    Route("POST", V1 + "/webhooks", webhooks.create, "admin", "Add a webhook",
          body=webhooks.NewWebhook, answer=Webhook, status=201),
    Route("GET", WEBHOOK, webhooks.get, "admin", "A webhook", answer=Webhook),
    Route("PATCH", WEBHOOK, webhooks.change, "admin", "Change a webhook",
          body=webhooks.WebhookChange, answer=Webhook),
    Route("DELETE", WEBHOOK, webhooks.delete, "admin", "Delete a webhook",
          answer=models.Deleted),
    Route("POST", WEBHOOK + "/test", webhooks.test, "admin", "Send an example now",
          body=webhooks.TestBody, answer=webhooks.Tested, slow=True),
    Route("GET", WEBHOOK + "/deliveries", webhooks.deliveries, "admin",
          "What was sent or waits, newest first", answer=Page, query=("after", "limit")),
)
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
RECORDS = (
    Route("GET", V1 + "/datasets", records.datasets, "read", "Dataset versions, newest first",
          answer=Page, query=("name", *KEYSET)),
    Route("GET", V1 + "/datasets/{digest}", records.dataset, "read", "A dataset version",
          answer=DatasetVersion),
    Route("GET", V1 + "/datasets/{digest}/profile", records.dataset_profile, "read",
          "What the columns of a dataset version hold", answer=OBJECT, slow=True),
    Route("GET", V1 + "/events", records.events, "read", "The event log", answer=Page,
          query=("after", "subject", "limit")),
    Route("GET", V1 + "/audit/verify", records.verify, "admin",
          "Find any change of the log, or of the record of a decision",
          answer=Audited, query=("anchor",), slow=True),
)
PEOPLE = (
    Route("GET", V1 + "/me", people.me, "read", "Who calls, and what it may do",
          answer=people.Me),
    Route("GET", V1 + "/people", people.listing, "admin", "People with tokens of their own",
          answer=Page),
    Route("POST", V1 + "/people", people.add, "admin",
          "Add a person; only this answer holds the token", body=people.PersonBody,
          answer=PersonWithToken, status=201),
    Route("DELETE", V1 + "/people/{person}", people.remove, "admin",
          "Take a person's token away", answer=people.Removed),
)
ARTIFACTS = (
    Route("GET", RUN + "/artifacts", artifacts.listing, "read", "What lies in a run's folder",
          answer=Page, query=("folder", "after", "limit")),
    Route("GET", RUN + "/artifacts/{path:path}", artifacts.get, "read",
          "A run's file; Range gives a part", media="*/*"),
    Route("PUT", RUN + "/artifacts/{path:path}", artifacts.put, "write",
          "Store the body as a run's file", answer=Entry, status=201),
    Route("DELETE", RUN + "/artifacts/{path:path}", artifacts.delete, "write",
          "Remove a run's file or folder", answer=artifacts.DeletedFiles),
    Route("POST", V1 + "/gc", artifacts.collect, "admin",
          "Free what was deleted long ago", body=artifacts.CollectBody, answer=Collected,
          slow=True),
)
SERVING = (
    Route("GET", PLANE + "/state", planes.state, "write",
          "The desired state for a data plane elsewhere, at once or when it changes",
          answer=Published, query=("after", "wait")),
    Route("GET", PLANE + "/packages/{digest}", planes.package, "read",
          "Names of the files of a package that is served", answer=list[str]),
    Route("GET", PLANE + "/packages/{digest}/{path:path}", planes.file, "read",
          "A file of a package that is served", media="application/octet-stream"),
    Route("PUT", PLANE + "/planes/{plane}", planes.report, "write",
          "What a data plane elsewhere says of itself", body=Standing, answer=Standing),
    Route("GET", PLANE + "/log/{kind}/{segment}", planes.size, "write",
          "How much of a segment of the log is here", answer=Size),
    Route("PUT", PLANE + "/log/{kind}/{segment}", planes.append, "write",
          "Bytes of a segment of the log", body=bytes, answer=Size, query=("offset",), raw=True),
    Route("GET", V1 + "/endpoints", serving.listing, "read", "Endpoints with their traffic",
          answer=Page),
    Route("GET", ENDPOINT, serving.get, "read", "An endpoint with its traffic",
          answer=serving.EndpointWithTraffic),
    Route("GET", ENDPOINT + "/export/{kind}", exports.export, "read",
          "What runs the endpoint elsewhere, as an archive", media=exports.MEDIA,
          query=exports.OPTIONS, slow=True),
    Route("GET", ENDPOINT + "/rollouts", rollouts.listing, "read", "Rollouts, newest first",
          answer=Page, query=KEYSET),
    Route("GET", ROLLOUT, rollouts.get, "read", "A rollout with what was seen of it",
          answer=Rollout),
    Route("POST", ROLLOUT + "/pause", rollouts.pause, "write",
          "Keep a rollout in its stage, still watched", body=rollouts.WordBody, answer=Rollout),
    Route("POST", ROLLOUT + "/resume", rollouts.resume, "write", "Let a paused rollout go on",
          body=rollouts.WordBody, answer=Rollout),
    Route("POST", ROLLOUT + "/promote", rollouts.promote, "write",
          "Make the new version the champion now", body=rollouts.WordBody, answer=Rollout),
    Route("POST", ROLLOUT + "/rollback", rollouts.rollback, "write",
          "Give the champion its traffic back now", body=rollouts.WordBody, answer=Rollout),
    Route("POST", ENDPOINT + "/feedback", feeding.feedback, "write",
          "Bring a table of labels: CSV, Parquet, JSON lines or a JSON list", body=bytes,
          answer=Fed, query=feeding.COLUMNS, raw=True, slow=True),
    Route("POST", ENDPOINT + "/log", feeding.log, "write",
          "Bring a table of predictions that something else made, in the same forms", body=bytes,
          answer=Logged, query=feeding.LOG, raw=True, slow=True),
    Route("POST", ENDPOINT + "/kserve", kserve.take_events, "write",
          "Requests and responses that KServe's payload logger sends as CloudEvents", body=bytes,
          answer=Taken, query=kserve.QUERY, raw=True),
    Route("GET", ENDPOINT + "/windows", serving.windows, "read", "Windows, newest first",
          answer=Page, query=KEYSET),
    Route("GET", ENDPOINT + "/windows/{start}", serving.window, "read",
          "A window, by the moment (ms) it starts at", answer=Window),
    Route("POST", ENDPOINT + "/windows/{start}/release", serving.release, "write",
          "Take a window out of quarantine: its rows are sound", body=serving.ReleaseBody,
          answer=Window),
    Route("GET", ENDPOINT + "/windows/{start}/report", reports.of_window, "read",
          "A window's report as JSON or as a page", answer=WindowReport, query=("as",)),
    Route("GET", ENDPOINT + "/windows/{start}/profile", reports.profile_of_window, "read",
          "What a window's rows were like, merged with those of the windows until a moment",
          answer=ProfileReport, query=("until", "segment", "as")),
    Route("GET", ENDPOINT + "/health", serving.health, "read",
          "Windows of it as a service: latency, errors, queue, cost, newest first",
          answer=Page, query=KEYSET),
    Route("GET", ENDPOINT + "/alerts", serving.alerts, "read", "Alerts, newest first",
          answer=Page, query=KEYSET),
)
ALERTS = (
    Route("GET", V1 + "/alerts", alerts.listing, "read",
          "What was found and whether it goes on, the newest first", answer=Page,
          query=("endpoint", "state", *KEYSET)),
    Route("GET", V1 + "/alerts/{alert}", alerts.get, "read",
          "One of them, with its evidence and who was told", answer=AlertDetail),
    Route("GET", V1 + "/alerts/{alert}/cause", alerts.cause, "read",
          "What an alert came from; again=1 finds it anew", answer=Cause, query=("again",),
          slow=True),
    Route("GET", V1 + "/alert-deliveries", alerts.deliveries, "read",
          "What was told to channels, or waits, or failed", answer=Page,
          query=("endpoint", "state", *KEYSET)),
    Route("GET", V1 + "/silences", alerts.silences, "read", "Silences, the last to end first",
          answer=Page, query=("limit",)),
    Route("POST", V1 + "/silences", alerts.silence, "write",
          "Let nobody be told of something for a while", body=alerts.SilenceBody, answer=Silence,
          status=201),
    Route("DELETE", V1 + "/silences/{silence}", alerts.unsilence, "write",
          "Take a silence back", answer=Silence),
    Route("GET", LOOP + "/channels", alerts.channels, "read",
          "The channels that a loop declares, without their secrets", answer=OBJECT),
    Route("POST", LOOP + "/channels/{channel}/test", alerts.test, "admin",
          "Send a test to a channel now", answer=ChannelTested, slow=True),
)
MOVES = (
    Route("GET", V1 + "/imports", moves.imports, "admin", "Imports, newest first", answer=Page,
          query=("after", "limit")),
    Route("POST", V1 + "/imports", moves.begin_import, "admin", "Begin an import in the background",
          body=moves.ImportBody, answer=Move, status=202),
    Route("GET", IMPORT, moves.get_import, "admin", "How far an import is, and what it did",
          answer=Move),
    Route("POST", IMPORT + "/stop", moves.stop_import, "admin",
          "Let an import end at its next batch", answer=Move),
    Route("POST", IMPORT + "/resume", moves.resume_import, "admin",
          "Let an import that is over go on", answer=Move),
    Route("GET", V1 + "/exports", moves.exports, "admin", "Exports, newest first", answer=Page,
          query=("after", "limit")),
    Route("POST", V1 + "/exports", moves.begin_export, "admin", "Begin an export in the background",
          body=moves.ExportBody, answer=Move, status=202),
    Route("GET", EXPORT, moves.get_export, "admin", "How far an export is, and what it did",
          answer=Move),
    Route("POST", EXPORT + "/stop", moves.stop_export, "admin",
          "Let an export end at its next batch", answer=Move),
    Route("POST", EXPORT + "/resume", moves.resume_export, "admin",
          "Let an export that is over go on", answer=Move),
    Route("GET", V1 + "/predictions", predictions.listing, "admin",
          "Batches of predictions, newest first", answer=Page, query=("after", "limit")),
    Route("POST", V1 + "/predictions", predictions.begin, "admin",
          "Predict a table in the background, in parts", body=Batch, answer=Move, status=202),
    Route("GET", PREDICTION, predictions.get, "admin", "How far a batch is, and its totals",
          answer=Move),
    Route("POST", PREDICTION + "/stop", predictions.stop, "admin",
          "Let a batch end at its next part", answer=Move),
    Route("POST", PREDICTION + "/resume", predictions.resume, "admin",
          "Let a batch that is over go on", answer=Move),
    Route("GET", V1 + "/backtests", backtests.listing, "read", "Backtests, newest first",
          answer=Page, query=("limit",)),
    Route("POST", V1 + "/backtests", backtests.begin, "write",
          "Replay a history under several policies, in the background", body=Plan, answer=Listed,
          status=202),
    Route("GET", BACKTEST, backtests.get, "read", "How far a backtest is, and what came of it",
          answer=Listed),
    Route("GET", BACKTEST + "/report", backtests.report, "read", "Its report as one page",
          media=HTML),
    Route("POST", BACKTEST + "/stop", backtests.stop, "write",
          "Let a backtest end at its next window", answer=Listed),
    Route("POST", BACKTEST + "/resume", backtests.resume, "write",
          "Let a backtest that is over go on", answer=Listed),
)
# fmt: on
ROUTES = (
    *PAGES,
    *PROCESS,
    *LOOPS,
    *REGISTRY,
    *TRACKING,
    *RECORDS,
    *PEOPLE,
    *ARTIFACTS,
    *MOVES,
    *SERVING,
    *ALERTS,
)  # fmt: skip
