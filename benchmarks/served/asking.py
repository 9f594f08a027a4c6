"""How a side is asked: by wrk over HTTP, or by a client of our own over gRPC."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

CONNECTIONS = 16
GRPC_CLIENT = Path(__file__).parents[1] / "peers" / "grpc_client.py"
LUA = """
wrk.method = "POST"
wrk.body = io.open("{body}", "rb"):read("*a")
{headers}
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{{"requests": %d, "us": %d, "errors": %d, "p50": %f, "p99": %f}}',
    summary.requests, summary.duration, e.status + e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


def by_wrk(
    address: str, path: str, body: bytes, headers: dict[str, str], folder: Path, seconds: float
) -> dict[str, float]:
    """One turn: requests per second (``rate``), latencies in ms, errors."""
    said, script = folder / "body.bin", folder / "ask.lua"
    said.write_bytes(body)
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    script.write_text(LUA.format(body=said, headers=lines))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script)]
    return _rated([*command, f"http://{address}{path}"])


def by_grpc(address: str, body: bytes, folder: Path, seconds: float) -> dict[str, float]:
    """The same with as many connections, each with one call under way."""
    said = folder / "message.bin"
    said.write_bytes(body)
    command = [sys.executable, str(GRPC_CLIENT), address, str(said)]
    return _rated([*command, f"{seconds:g}", str(CONNECTIONS)])


def _rated(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\{.*\}", done.stdout)
    assert found, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(found[0])
    return said | {"rate": said["requests"] / said["us"] * 1e6}
