"""Runs the real supervisor over stand-in planes: ``up.py DIR JSON PORT ARGS -- PORT ARGS``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from everloop.server.child import Child
from everloop.server.supervisor import Supervisor
from everloop.server.upfile import Up, hold_lock

state, as_json = Path(sys.argv[1]), sys.argv[2] == "json"
rest = sys.argv[3:]
cut = rest.index("--")
children = []
for name, arguments in (("the control plane", rest[:cut]), ("the data plane", rest[cut + 1 :])):
    command = [sys.executable, str(Path(__file__).with_name("plane.py")), *arguments]
    log = state / "logs" / f"{arguments[0]}.log"
    children.append(Child(name, command, log, "127.0.0.1", int(arguments[0])))
up = Up(os.getpid(), f"http://127.0.0.1:{rest[0]}", f"http://127.0.0.1:{rest[cut + 1]}")
with hold_lock(state):
    sys.exit(Supervisor(children, state, up, as_json).run())
