"""Executors: in this process, or in a subprocess that gives its memory back."""

from everloop.loop.executors import inline, subprocess
from everloop.loop.executors._base import Executor
from everloop.loop.executors._process import WorkerLost

__all__ = ["Executor", "WorkerLost", "inline", "subprocess"]
