"""``python -m everloop.loop.batches.worker DIR``: one batch for a server."""

from __future__ import annotations

import sys

from everloop.memory import importing

with importing():
    from everloop.loop.apart import Tell, answer
    from everloop.loop.batches.records import Batch, Finished
    from everloop.loop.batches.run import predicted
    from everloop.loop.project import Project


def predict(project: Project, batch: Batch, tell: Tell) -> Finished:
    done = predicted(project, batch, actor="server", tell=tell)
    tell("rows", done.rows, None)
    return done


if __name__ == "__main__":
    answer(sys.argv[1], Batch, predict)
