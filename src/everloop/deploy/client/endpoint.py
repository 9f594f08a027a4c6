"""Asking an endpoint, and telling it labels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


class Endpoint:
    """An endpoint by the address of its server; safe to use from several threads.

    Parameters
    ----------
    url : of the data plane, as ``http://127.0.0.1:5051``.
    name : of the endpoint; may be left out when the server has one.
    token : what the server asks for beyond loopback.
    timeout : seconds that one attempt may take.
    retries : how often what may pass by itself is tried again.
    transport : takes requests another way than over the network.

    Its methods raise what the server says: :class:`~everloop.errors.InvalidInput` with the path
    for rows that the schema does not allow, :class:`~everloop.errors.NotFound`,
    :class:`~everloop.errors.Forbidden`, and :class:`~everloop.errors.Unavailable` when it does not
    answer after all attempts.

    >>> with Endpoint("http://127.0.0.1:5051", "flights") as flights:  # doctest: +SKIP
    ...     flights.predict([{"carrier": "UA", "distance": 1400}]).y
    ['late']
    """

    def __init__(
        self,
        url: str,
        name: str | None = None,
        *,
        token: str = "",
        timeout: float = 30.0,
        retries: Retries = Retries(),  # noqa: B008 - frozen
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url, self.name, self.retries = url.rstrip("/"), name, retries
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout, transport=transport
        )

    def predict(
        self,
        rows: Any,
        *,
        key: str | None = None,
        batch_rows: int = BATCH_ROWS,
        concurrency: int = 4,
    ) -> Predictions:
        """Answers for rows: records, one record, columns, or a frame of polars or pandas.

        Rows may also be without names, as lists or a matrix, in the order of the schema.
        More than ``batch_rows`` rows go in several requests, ``concurrency`` at a time. Requests
        with the same ``key`` get the same version during a rollout.
        """
        messages = list(predict_messages(self.name, rows, key, batch_rows))
        if len(messages) == 1:
            return joined([self._answer(messages[0])])
        with ThreadPoolExecutor(max(1, concurrency)) as pool:
            return joined(list(pool.map(self._answer, messages)))

    def stream(self, rows: Any, *, key: str | None = None) -> Iterator[Event]:
        """Answers as they are made, of a model that streams several a row; else one a row.

        Leave the loop to stop the model. It is not tried again: what came is not taken back.
        """
        message = stream_message(self.name, rows, key)
        reader = EventReader(self.url)
        try:
            with self._http.stream(
                "POST", message.path, content=message.content, headers=message.headers
            ) as response:
                if response.status_code >= 400:
                    raise error_of(response.status_code, response.read())
                for line in response.iter_lines():
                    event = reader.read(line)
                    if event is not None:
                        yield event
        except httpx.TransportError as error:
            raise unreachable(self.url, error, 1) from None
        reader.finish()

    def explain(self, rows: Any, *, key: str | None = None) -> list[Explanation]:
        """What each feature adds to each row's answer; at most 16 rows."""
        return explanations(self._send(explain_message(self.name, rows, key)))

    def feedback(self, labels: Any) -> int:
        """Tell labels by the ids of the rows, ``{id: label}``; returns how many were accepted."""
        return accepted(self._send(feedback_message(self.name, labels)))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, message: Message) -> Answer:
        return decoded(self._send(message), Answer)

    def _send(self, message: Message) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.post(
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
            time.sleep(pause)
