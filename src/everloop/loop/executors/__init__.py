"""Executors: in this process, or in a subprocess that gives its memory back."""

from everloop.loop.executors import inline, subprocess
from everloop.loop.executors._base import Executor, Task
from everloop.loop.executors._process import WorkerLost

__all__ = ["Executor", "Task", "WorkerLost", "inline", "subprocess"]
