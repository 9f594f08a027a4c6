"""What every protocol does with a request for predictions, whatever form it has.

A protocol reads its body and hands over how that becomes rows; it gets back the answer, the
headers that all answers carry, and what is to happen once the reply has left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from everloop.deploy.serving.core import Answer, Call, Core, Read
from everloop.deploy.serving.http import Header, Request
from everloop.deploy.serving.shadows import Shadows


class Answered(NamedTuple):
    """``headers`` name the request and the version; ``after`` is for the response."""

    answer: Answer
    headers: list[Header]
    after: Callable[[], None] | None


class Asking:
    """Asks the core on behalf of the protocols of one process."""

    def __init__(self, core: Core, shadows: Shadows, max_body: int) -> None:
        self.core = core
        self.max_body = max_body
        self._shadows = shadows

    async def body(self, request: Request) -> bytes:
        """The request's body, within the limit of the settings."""
        return await request.body(self.max_body)

    async def answer(
        self, request: Request, read: Read, size: int, version: int | None = None
    ) -> Answered:
        """Predict at ``request.endpoint``; by ``version`` where the caller names one.

        ``size`` is that of the body in bytes. Raises what :meth:`Core.answer` does, and NotFound
        for a version that is not loaded.
        """
        endpoint = request.endpoint
        assert endpoint is not None, "the route is for an endpoint"
        call = Call(request.id, request.key, request.started, size)
        named = None if version is None else endpoint.arm(version)
        answer = await self.core.answer(endpoint, read, call, named)
        headers = [
            (b"x-request-id", request.id.encode()),
            (b"x-everloop-version", b"%d" % answer.version),
        ]
        after = partial(self._shadows.offer, endpoint, read, call) if endpoint.shadows else None
        return Answered(answer, headers, after)
