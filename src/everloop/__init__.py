"""everloop: ModelOps for Python.

>>> import everloop as el
>>> loop = el.load("everloop.toml")  # doctest: +SKIP
>>> cycle = loop.run()  # doctest: +SKIP

Names are imported when they are first used, so that ``import everloop`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from everloop.version import __version__ as __version__

if TYPE_CHECKING:
    from everloop import datasets as datasets
    from everloop.deploy.client import AsyncEndpoint as AsyncEndpoint
    from everloop.deploy.client import Endpoint as Endpoint
    from everloop.errors import EverloopError as EverloopError
    from everloop.evaluate.off_policy import off_policy as off_policy
    from everloop.loop.backtests.run import backtest as backtest
    from everloop.loop.batches.run import predict_batch as predict_batch
    from everloop.loop.checking import check as check
    from everloop.loop.cleaning import gc as gc
    from everloop.loop.configured import configuration as configuration
    from everloop.loop.cycles import Cycle as Cycle
    from everloop.loop.declaration import Declaration as Declaration
    from everloop.loop.declaration import from_dict as from_dict
    from everloop.loop.direct import promote as promote
    from everloop.loop.exporting import export as export
    from everloop.loop.feeding import feedback as feedback
    from everloop.loop.finding import search as search
    from everloop.loop.initial import initialise
    from everloop.loop.lineage import lineage as lineage
    from everloop.loop.logging import log_predictions as log_predictions
    from everloop.loop.loop import Loop as Loop
    from everloop.loop.loop import declare as declare
    from everloop.loop.loop import load as load
    from everloop.loop.moving import export_mlflow as export_mlflow
    from everloop.loop.moving import import_mlflow as import_mlflow
    from everloop.loop.project import Project as Project
    from everloop.loop.registering import register as register
    from everloop.loop.room import storage as storage
    from everloop.monitor.comparing import compare as compare
    from everloop.monitor.summaries.table import profile_table
    from everloop.tracking.client.frames import runs as runs
    from everloop.tracking.client.start import start_run as start_run
    from everloop.train.preparation.meaning import embed_texts as embed_texts

    init = initialise
    profile = profile_table


# Each name's module, and its name there where that is another one.
_HOME = {
    "AsyncEndpoint": "everloop.deploy.client",
    "Cycle": "everloop.loop.cycles",
    "Declaration": "everloop.loop.declaration",
    "Endpoint": "everloop.deploy.client",
    "EverloopError": "everloop.errors",
    "Loop": "everloop.loop.loop",
    "Project": "everloop.loop.project",
    "backtest": "everloop.loop.backtests.run",
    "check": "everloop.loop.checking",
    "compare": "everloop.monitor.comparing",
    "configuration": "everloop.loop.configured",
    "declare": "everloop.loop.loop",
    "embed_texts": "everloop.train.preparation.meaning",
    "export": "everloop.loop.exporting",
    "export_mlflow": "everloop.loop.moving",
    "feedback": "everloop.loop.feeding",
    "from_dict": "everloop.loop.declaration",
    "gc": "everloop.loop.cleaning",
    "import_mlflow": "everloop.loop.moving",
    "init": "everloop.loop.initial:initialise",
    "lineage": "everloop.loop.lineage",
    "load": "everloop.loop.loop",
    "log_predictions": "everloop.loop.logging",
    "off_policy": "everloop.evaluate.off_policy",
    "predict_batch": "everloop.loop.batches.run",
    "profile": "everloop.monitor.summaries.table:profile_table",
    "promote": "everloop.loop.direct",
    "register": "everloop.loop.registering",
    "runs": "everloop.tracking.client.frames",
    "search": "everloop.loop.finding",
    "start_run": "everloop.tracking.client.start",
    "storage": "everloop.loop.room",
}

__all__ = [*_HOME, "datasets"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        module, _, there = _HOME[name].partition(":")
        return getattr(importlib.import_module(module), there or name)
    if name == "datasets":
        return importlib.import_module("everloop.datasets")
    raise AttributeError(f"module 'everloop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
