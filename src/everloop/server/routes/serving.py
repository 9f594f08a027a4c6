"""Endpoints, rollouts, predictions and what the data plane fetches."""

from __future__ import annotations

from everloop.deploy.rollouts import Rollout
from everloop.deploy.serving.following import Published
from everloop.deploy.serving.standing import Standing
from everloop.loop.kserve import Taken
from everloop.monitor.feedback import Fed
from everloop.monitor.foreign import Logged
from everloop.monitor.profile_report import ProfileReport
from everloop.monitor.receiving import Size
from everloop.monitor.window_report import WindowReport
from everloop.monitor.windows import Window
from everloop.server.api import (
    exports,
    feeding,
    kserve,
    planes,
    reports,
    rollouts,
    serving,
)
from everloop.server.call import Page
from everloop.server.routes._paths import ENDPOINT, KEYSET, PLANE, ROLLOUT, V1
from everloop.server.routing import Route

# fmt: off
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
# fmt: on
