"""Loops, their cycles, and what people decide about them."""

from __future__ import annotations

import msgspec

from everloop.evaluate.report._base import Report
from everloop.loop.approving import Decision
from everloop.loop.case import Case
from everloop.loop.cycles import Cycle
from everloop.loop.decision_record import SignedRecord
from everloop.loop.replaying import Replayed
from everloop.loop.watching import Looked
from everloop.monitor.quality.expectations import Expectations
from everloop.server.api import check, cycles, loops, reports, serving
from everloop.server.call import Page
from everloop.server.routes._paths import CYCLE, KEYSET, LOOP, OBJECT, V1
from everloop.server.routing import Route
from everloop.update.situation import Heard, Paused

# fmt: off
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
# fmt: on
