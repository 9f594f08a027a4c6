"""Imports, exports and backtests: long work that is asked for and followed."""

from __future__ import annotations

from everloop.loop.backtests.records import Listed, Plan
from everloop.loop.batches.records import Batch
from everloop.server.api import backtests, moves, predictions
from everloop.server.call import Page
from everloop.server.routes._paths import BACKTEST, EXPORT, HTML, IMPORT, PREDICTION, V1
from everloop.server.routing import Route
from everloop.tracking.moving.queue import Move

# fmt: off
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
