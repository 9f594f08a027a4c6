"""``python -m everloop.train.search.workers.child FD``: runs trials for a study, one at a time.

The study is on the other end of the socket ``FD``. When it is gone, so is this process, in the
middle of a trial too.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from everloop.memory import importing

with importing():
    import msgspec
    import numpy as np

    from everloop.data.schema import Schema
    from everloop.train.search.workers._base import run_job
    from everloop.train.training import Training


def main() -> None:
    line = Connection(int(sys.argv[1]))
    setup = line.recv()
    training = _training(setup)
    heard: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(line, heard), daemon=True).start()

    def prune(step: int, score: float) -> bool:
        line.send(("step", (step, score)))
        return bool(heard.get())

    def report(stage: str, facts: dict[str, Any]) -> None:
        line.send(("report", (stage, facts)))

    while True:
        job = heard.get()
        line.send(("done", run_job(training, job, prune, report)))


def _training(setup: dict[str, Any]) -> Training:
    return Training(
        _mapped(*setup["X"]),
        np.array(_mapped(*setup["y"])),
        msgspec.json.decode(setup["schema"], type=Schema),
        setup["score"],
        setup["seed"],
        setup["time_ordered"],
        setup["groups"],
        setup["folds"],
        setup["prepare"],
        setup["device"],
        weights=setup["weights"],
        explore=setup["explore"],
    )


def _mapped(file: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    with open(file, "rb") as held:
        return np.memmap(held, dtype, "r", shape=shape)


def _listen(line: Connection, heard: queue.Queue[Any]) -> None:
    try:
        while True:
            heard.put(line.recv())
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main()
