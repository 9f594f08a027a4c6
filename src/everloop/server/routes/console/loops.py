"""The pages of loops: the overview, cycles and their decisions, backtests."""

from __future__ import annotations

from everloop.console.loops.backtests import BacktestsPage
from everloop.console.loops.cycle import CyclePage
from everloop.console.loops.decision import DecisionPage
from everloop.console.loops.loop import LoopPage
from everloop.console.loops.overview import Asked, Overview
from everloop.loop.backtests.records import Listed
from everloop.server.pages import loops
from everloop.server.routes.console._base import form, pair

# fmt: off
LOOPS = (
    *pair("/", loops.overview, loops.overview_json, Overview,
          "The console's first page; state and part of a name choose among many loops",
          query=Asked.__struct_fields__),
    *pair("/loops/{loop}", loops.loop, loops.loop_json, LoopPage,
          "A loop's page; before leads to older cycles", query=("before",)),
    form("/loops/{loop}", loops.steer, "write",
         "A loop's button: do (run, pause, resume, monitor) and comment; leads to its page again",
         slow=True),
    *pair("/cycles/{cycle}", loops.cycle, loops.cycle_json, CyclePage,
          "A cycle's page; replay=1 makes its decisions again", query=("replay",)),
    *pair("/cycles/{cycle}/decision", loops.decision, loops.decision_json, DecisionPage,
          "The page of a cycle's decision"),
    form("/cycles/{cycle}/decision", loops.decide, "decide",
         "Its form: do (approve, reject, comment, rollback) and comment; leads to it again"),
    *pair("/backtests", loops.backtests, loops.backtests_json, BacktestsPage,
          "All backtests of the project"),
    *pair("/backtests/{backtest}", loops.backtest, loops.backtest_json, Listed,
          "A backtest's page: its policies side by side"),
)
# fmt: on
