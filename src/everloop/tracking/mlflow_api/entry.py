"""One line of the protocol's table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from everloop.tracking.mlflow_api.decode import Message, Nothing

ROOT = "/api/2.0/mlflow/"


@dataclass(frozen=True)
class Entry:
    """A method and a path, and what answers them.

    Parameters
    ----------
    path : below ``/api/2.0/mlflow/``, or from the root when it begins with a slash; ``{name}`` is
        a parameter of the message, ``{name:path}`` one that may hold slashes. What is below
        ``/api/`` is answered below ``/ajax-api/`` too.
    handler : called with the :class:`~everloop.tracking.mlflow_api.api.Api` and the message, in a
        thread. It returns a value that is answered as JSON, None for an empty object, bytes for
        plain text; it refuses by raising
        :class:`~everloop.tracking.mlflow_api.errors.WireError` or what the stores raise.
        When ``raw`` is set it is a coroutine function, called with the Api and Starlette's
        request, and returns a response.
    message : what the request is read as: a body of JSON, or the query of a GET; a DELETE may use
        either.
    quick : touches no store, so it is called without a thread.
    short : reads or writes a few rows, so it is tried without a thread first, where the database
        can do so without waiting.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Callable[..., Any] | Callable[..., Awaitable[Any]]
    permission: Literal["public", "read", "write", "admin"]
    message: type[Message] = Nothing
    raw: bool = False
    quick: bool = False
    short: bool = False

    def paths(self) -> tuple[str, ...]:
        """The full paths that it is answered at."""
        path = self.path if self.path.startswith("/") else ROOT + self.path
        if path.startswith("/api/"):
            return path, "/ajax-api/" + path.removeprefix("/api/")
        return (path,)
