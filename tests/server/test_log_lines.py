"""The control plane's log as JSON: a line a request, without what was asked."""

from __future__ import annotations

import io
import json

from server_helpers import Connect

from everloop.deploy.serving.lines import JsonLines


def test_a_line_for_each_request(connect: Connect) -> None:
    written = io.BytesIO()
    lines = JsonLines(written)
    client = connect(lines=lines)
    client.get("/api/v1/models/none", headers={"x-request-id": "abc", "authorization": "Bearer s3"})
    client.get("/health")
    lines.stop()
    first, second = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (first["status"], first["level"], first["request"]) == (404, "WARNING", "abc")
    assert (first["route"], first["method"]) == ("/api/v1/models/{model}", "GET")
    assert (second["status"], second["level"]) == (200, "INFO")
    assert "s3" not in written.getvalue().decode()
