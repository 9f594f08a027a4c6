"""The same as :class:`~everloop.deploy.client.endpoint.Endpoint`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx

from everloop.deploy.client.messages import (
    BATCH_ROWS,
    Answer,
    Event,
    EventReader,
    Explanation,
    Message,
    Predictions,
    accepted,
    decoded,
    explain_message,
    explanations,
    feedback_message,
    joined,
    predict_messages,
    stream_message,
    unreachable,
)
from everloop.deploy.client.retrying import Retries
from everloop.tracking.client.remote import error_of


class AsyncEndpoint:
    """See :class:`~everloop.deploy.client.endpoint.Endpoint`.

    >>> async with AsyncEndpoint("http://127.0.0.1:5051") as flights:  # doctest: +SKIP
    ...     answers = await flights.predict(rows)
    """

    def __init__(
        self,
        url: str,
        name: str | None = None,
        *,
        token: str = "",
        timeout: float = 30.0,
        retries: Retries = Retries(),  # noqa: B008 - frozen
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url, self.name, self.retries = url.rstrip("/"), name, retries
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=timeout, transport=transport
        )

    async def predict(
        self,
        rows: Any,
        *,
        key: str | None = None,
        batch_rows: int = BATCH_ROWS,
        concurrency: int = 4,
    ) -> Predictions:
        """Answers for rows; more than ``batch_rows`` go in ``concurrency`` requests at a time."""
        turn = asyncio.Semaphore(max(1, concurrency))

        async def answer(message: Message) -> Answer:
            async with turn:
                return decoded(await self._send(message), Answer)

        messages = predict_messages(self.name, rows, key, batch_rows)
        return joined(await asyncio.gather(*(answer(message) for message in messages)))

    async def stream(self, rows: Any, *, key: str | None = None) -> AsyncIterator[Event]:
        """Answers as they are made, of a model that streams several a row; else one a row.

        Leave the loop to stop the model. It is not tried again: what came is not taken back.
        """
        message = stream_message(self.name, rows, key)
        reader = EventReader(self.url)
        try:
            async with self._http.stream(
                "POST", message.path, content=message.content, headers=message.headers
            ) as response:
                if response.status_code >= 400:
                    raise error_of(response.status_code, await response.aread())
                async for line in response.aiter_lines():
                    event = reader.read(line)
                    if event is not None:
                        yield event
        except httpx.TransportError as error:
            raise unreachable(self.url, error, 1) from None
        reader.finish()

    async def explain(self, rows: Any, *, key: str | None = None) -> list[Explanation]:
        """What each feature adds to each row's answer; at most 16 rows."""
        return explanations(await self._send(explain_message(self.name, rows, key)))

    async def feedback(self, labels: Any) -> int:
        """Tell labels by the ids of the rows, ``{id: label}``; returns how many were accepted."""
        return accepted(await self._send(feedback_message(self.name, labels)))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncEndpoint:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, message: Message) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._http.post(
                    message.path, content=message.content, headers=message.headers
                )
            except httpx.TransportError as error:
                pause = self.retries.pause(attempt, None)
                if pause is None:
                    raise unreachable(self.url, error, attempt) from None
            else:
                pause = self.retries.pause(attempt, response)
                if pause is None:
                    return response
            await asyncio.sleep(pause)
