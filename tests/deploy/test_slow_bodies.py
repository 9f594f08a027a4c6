"""A body that does not come to its end gives its connection back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from everloop.deploy.serving import http
from everloop.deploy.serving.http import Request, status_of
from everloop.errors import InvalidInput

SCOPE = {
    "method": "POST",
    "path": "/predict",
    "query_string": b"",
    "headers": [(b"content-length", b"5")],
}


@pytest.mark.parametrize("sent", [b"", b"[1"])
def test_it_is_refused_in_time(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [{"type": "http.request", "body": sent, "more_body": True}] if sent else []

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.sleep(10)
        return messages.pop()

    monkeypatch.setattr(http, "BODY_SECONDS", 0.05)
    with pytest.raises(InvalidInput) as refused:
        asyncio.run(Request(SCOPE, receive).body(100))
    assert (refused.value.code, status_of(refused.value)) == ("slow_body", 408)
