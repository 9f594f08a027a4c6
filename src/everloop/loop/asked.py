"""``python -m everloop.loop.asked``: answers one question and ends.

The question comes as JSON on standard input, the answer or the error goes out the same way.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from everloop.memory import importing

with importing():
    import msgspec

    from everloop.errors import EverloopError
    from everloop.loop.project import Project
    from everloop.loop.questions import Question, answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", required=True, type=Path)
    folder = parser.parse_args().dir
    # Libraries print to standard output; keep it for the answer alone.
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    with channel:
        channel.write(msgspec.json.encode(_said(folder, question)))
    return 0


def _said(folder: Path, question: Question) -> dict[str, Any]:
    try:
        with Project.open(folder) as project:
            return {"answer": answer(project, question)}
    except EverloopError as error:
        return {"error": {"class": type(error).__name__, **error.to_dict()}}
    except Exception as error:
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        return {"error": {"class": "EverloopError", "message": message, "code": "not_answered"}}


if __name__ == "__main__":
    sys.exit(main())
