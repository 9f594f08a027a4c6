"""Executors: in this process, or in a subprocess that gives its memory back."""

from everloop.loop.executors import inline, subprocess
from everloop.loop.executors._base import Executor, Task
from everloop.loop.executors._process import WORKER_LOG, WorkerLost

__all__ = ["WORKER_LOG", "Executor", "Task", "WorkerLost", "inline", "subprocess"]
