"""``python -m everloop.loop.batches.worker DIR``: one batch for a server.

The batch comes as a line of JSON on standard input, how far it is and its totals go out the same
way. When standard input closes the asker is gone, and the process ends at once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from everloop.memory import importing

with importing():
    import msgspec

    from everloop.errors import EverloopError
    from everloop.loop.batches.records import Batch
    from everloop.loop.batches.run import predicted
    from everloop.loop.project import Project

TOLD_SECONDS = 0.5  # between two words of how far it is


def main(folder: str) -> None:
    # Libraries print to standard output; keep it for the protocol alone.
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    batch = msgspec.json.decode(sys.stdin.buffer.readline(), type=Batch)
    threading.Thread(target=_end_with_asker, name="asker", daemon=True).start()
    said = [0.0]

    def send(message: dict[str, Any]) -> None:
        channel.write(msgspec.json.encode(message) + b"\n")

    def tell(what: str, done: int, total: int | None) -> None:
        if time.monotonic() - said[0] > TOLD_SECONDS:
            said[0] = time.monotonic()
            send({what: done})

    try:
        with Project.open(Path(folder)) as project:
            finished = predicted(project, batch, actor="server", tell=tell)
        send({"rows": finished.rows})
        send({"finished": finished})
    except EverloopError as error:
        send({"error": {"class": type(error).__name__, **error.to_dict()}})
    except Exception:
        traceback.print_exc()


def _end_with_asker() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
