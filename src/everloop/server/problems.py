"""Errors as HTTP: the one place where a class of error gets its status, and its JSON form."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from everloop.errors import (
    Conflict,
    EverloopError,
    Forbidden,
    Integrity,
    InvalidInput,
    MissingExtra,
    NotFound,
    TooLarge,
    Unavailable,
)

log = logging.getLogger("everloop.server")

# The first class that matches counts, so a class stands before its base.
STATUSES: tuple[tuple[type[EverloopError], int], ...] = (
    (TooLarge, 413),
    (InvalidInput, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Forbidden, 403),
    (Integrity, 500),
    (Unavailable, 503),
    (MissingExtra, 501),
    (EverloopError, 400),
)
# Codes that say more than their class does.
CODES = {
    "invalid_json": 400,
    "foreign_host": 421,
    "unauthenticated": 401,
    "too_many_tries": 429,
    "cut_off": 400,
    "slow_body": 408,
    "disk_full": 507,
}

# No Basic, though it is taken: a browser would ask for a password beside the page's own form.
CHALLENGE = 'Bearer realm="everloop"'


class Problem(msgspec.Struct, frozen=True):
    """An error, ready to be answered."""

    status: int
    error: dict[str, Any]
    headers: dict[str, str]

    def body(self) -> bytes:
        return msgspec.json.encode({"error": self.error}, enc_hook=repr)


def problem_of(error: Exception, request_id: str) -> Problem:
    """The answer to an exception; what was not foreseen is logged and shows no inside."""
    if isinstance(error, EverloopError):
        headers = {"retry-after": "1"} if isinstance(error, Unavailable) else {}
        if error.code == "unauthenticated":
            headers = {"www-authenticate": CHALLENGE}
        elif error.code == "too_many_tries":
            headers = {"retry-after": "60"}
        return Problem(_status(error), error.to_dict(), headers)
    if isinstance(error, HTTPException):
        return _of_router(error)
    log.error("request %s failed", request_id, exc_info=error)
    return Problem(
        500,
        {
            "code": "internal_error",
            "message": f"The server failed on this request; its log says why under {request_id}.",
            "request": request_id,
        },
        {},
    )


def _status(error: EverloopError) -> int:
    if error.code in CODES:
        return CODES[error.code]
    return next(status for cls, status in STATUSES if isinstance(error, cls))


def _of_router(error: HTTPException) -> Problem:
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    if error.status_code == 405:
        code, message = "method_not_allowed", f"This path answers {headers.get('allow', '')} only."
    else:
        code, message = "no_route", "There is nothing at this path; /openapi.json lists what is."
    return Problem(error.status_code, {"code": code, "message": message}, headers)
