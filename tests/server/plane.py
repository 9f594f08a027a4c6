"""A stand-in for a plane: answers /ready after a while, and can be told to misbehave.

``plane.py PORT [--slow S] [--refuse] [--crash-after S] [--stubborn]``; used by the supervisor's
tests as a real process.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from everloop.server.lifeline import watch_stdin

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--slow", type=float, default=0.0)
parser.add_argument("--refuse", action="store_true")
parser.add_argument("--crash-after", type=float, default=0.0)
parser.add_argument("--stubborn", action="store_true")
options = parser.parse_args()
started = time.monotonic()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if time.monotonic() - started >= options.slow else 503)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


if options.refuse:
    print("data.target: got 'x', expected a column.", file=sys.stderr)
    sys.exit(2)
if options.crash_after:
    threading.Timer(options.crash_after, lambda: os._exit(3)).start()
if options.stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    watch_stdin(lambda: os._exit(0))
print("plane starts", flush=True)
HTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
