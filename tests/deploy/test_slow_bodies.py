"""A body that does not come to its end gives its connection back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from in_process import Asked

from everloop.deploy.serving import http
from everloop.deploy.serving.http import Request, status_of
from everloop.deploy.serving.patience import Patience
from everloop.errors import InvalidInput


class Slow:
    """Sends a little and then nothing for ten seconds."""

    async def __call__(self) -> bytes:
        await asyncio.sleep(10)
        return b"[1"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"[1"
        await asyncio.sleep(10)


@pytest.mark.parametrize("headers", [{"content-length": "5"}, {"transfer-encoding": "chunked"}])
def test_it_is_refused_in_time(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_patience", Patience(0.05))
    with pytest.raises(InvalidInput) as refused:
        asyncio.run(Request(Asked("/predict", headers), Slow()).body(100))
    assert (refused.value.code, status_of(refused.value)) == ("slow_body", 408)


def test_each_has_its_own_time_and_a_cancellation_from_elsewhere_stays_one() -> None:
    patience = Patience(0.2)

    async def wait(seconds: float) -> str:
        try:
            with patience:
                await asyncio.sleep(seconds)
        except TimeoutError:
            return "late"
        return "in time"

    async def all_of_them() -> list[str]:
        early = [asyncio.create_task(wait(s)) for s in (0.0, 10.0)]
        await asyncio.sleep(0.1)
        late = [asyncio.create_task(wait(s)) for s in (0.0, 10.0)]
        gone = asyncio.create_task(wait(10.0))
        await asyncio.sleep(0)
        gone.cancel()
        found = await asyncio.gather(*early, *late)
        assert gone.cancelled()
        return found

    for _ in range(2):  # a second loop finds nothing of the first
        assert asyncio.run(all_of_them()) == ["in time", "late", "in time", "late"]
