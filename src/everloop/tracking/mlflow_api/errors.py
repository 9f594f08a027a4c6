"""Errors as MLflow's clients know them: ``{"error_code", "message"}`` and a status.

Clients match on the code and on the wording, and send a request again for minutes when the status
is 500 or above; so what a user did wrong is always a 4xx. Handlers refuse with the words of MLflow
before they call a store; what a store itself refuses is put into those words here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from everloop.errors import EverloopError, NotFound

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
TAKEN = "RESOURCE_ALREADY_EXISTS"
DOCS = " See the API docs for more information about request parameters."

STATUSES = {
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "BAD_REQUEST": 400,
    "CUSTOMER_UNAUTHORIZED": 401,
    "ENDPOINT_NOT_FOUND": 404,
    "INTERNAL_ERROR": 500,
    "INVALID_PARAMETER_VALUE": 400,
    "INVALID_STATE": 400,  # MLflow answers 500, and clients would try again
    "NOT_FOUND": 404,
    "NOT_IMPLEMENTED": 501,
    "PERMISSION_DENIED": 403,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "RESOURCE_ALREADY_EXISTS": 400,
    "RESOURCE_CONFLICT": 409,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "RESOURCE_EXHAUSTED": 429,
    "TEMPORARILY_UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}

# The error code for a status that comes with no code of its own.
OF_STATUS = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    405: "BAD_REQUEST",
    408: "BAD_REQUEST",
    409: "RESOURCE_CONFLICT",
    413: "INVALID_PARAMETER_VALUE",
    421: "PERMISSION_DENIED",
    422: "INVALID_PARAMETER_VALUE",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}


class WireError(EverloopError):
    """A refusal in MLflow's words; ``code`` is one of :data:`STATUSES`."""

    @property
    def status(self) -> int:
        return STATUSES[self.code]


def refuse(message: str, code: str = INVALID) -> WireError:
    """A refusal with MLflow's error code."""
    return WireError(message, code=code)


def missing_value(parameter: str) -> WireError:
    """The refusal of a request that leaves a parameter out."""
    return refuse(f"Missing value for required parameter '{parameter}'.{DOCS}")


def bad_value(parameter: str, value: Any) -> WireError:
    """The refusal of a parameter of a wrong type or out of its bounds."""
    kind = type(value).__name__
    return refuse(invalid_value(parameter, value, f" Hint: Value was of type '{kind}'.") + DOCS)


def invalid_value(parameter: str, value: Any, message: str = "") -> str:
    """``Invalid value V for parameter 'P' supplied: MESSAGE``, as MLflow words it."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    if len(shown) > 1000:
        shown = shown[:1000] + "…"
    supplied = f"Invalid value {shown} for parameter '{parameter}' supplied"
    return f"{supplied}: {message}" if message else f"{supplied}."


def too_long(parameter: str, limit: int) -> WireError:
    """The refusal of a text that is longer than MLflow allows."""
    return refuse(f"'{parameter}' exceeds the maximum length of {limit} characters")


_ORIGINS = {"run": "run_id", "logged_model": "model_id"}


def bad_source(error: EverloopError, more: str = "") -> WireError:
    """The refusal of a version's source."""
    return refuse(f"Invalid model version source: '{error.got}'." + more)


def _unknown_source(error: EverloopError) -> WireError:
    name = _ORIGINS[error.path or "run"]
    return bad_source(
        error,
        f" The {name} request parameter must identify the resource that contains the source.",
    )


def _source_not_below(error: EverloopError) -> WireError:
    name = _ORIGINS[error.path or "run"]
    return bad_source(
        error,
        f" To use a local path as a model version source, the {name} request parameter has to be"
        " specified and the local path has to be contained within the artifact directory of the"
        f" run specified by the {name}.",
    )


# What a store refuses, by the code of its error. Add a line where MLflow has words of its own.
WORDS: dict[str, Callable[[EverloopError], WireError]] = {
    "experiment_not_found": lambda e: refuse(f"No Experiment with id={e.got} exists", MISSING),
    "experiment_deleted": lambda e: refuse(
        f"The experiment {e.got} must be in the 'active' state. Current state is deleted."
    ),
    "experiment_active": lambda e: refuse(
        f"Cannot restore experiment {e.got}: it must be in the 'deleted' state."
    ),
    "experiment_exists": lambda e: refuse(f"Experiment(name={e.got}) already exists.", TAKEN),
    "run_not_found": lambda e: refuse(f"Run with id={e.got} not found", MISSING),
    "run_deleted": lambda e: refuse(
        f"The run {e.got} must be in the 'active' state. Current state is deleted."
    ),
    "run_active": lambda e: refuse(
        f"The run {e.got} must be in the 'deleted' state. Current state is active."
    ),
    "logged_model_not_found": lambda e: refuse(
        f"Logged model with ID '{e.got}' not found.", MISSING
    ),
    "model_not_found": lambda e: refuse(f"Registered Model with name={e.got} not found", MISSING),
    "version_not_found": lambda e: refuse(
        "Model Version (name={}, version={}) not found".format(*str(e.got).rsplit("/", 1)), MISSING
    ),
    "alias_not_found": lambda e: refuse(f"Registered model alias {e.got} not found."),
    "model_exists": lambda e: refuse(f"Registered Model (name={e.got}) already exists.", TAKEN),
    "artifact_not_found": lambda e: refuse(f"No such artifact: '{e.got}'", MISSING),
    "artifacts_elsewhere": lambda e: refuse(e.message),
    "invalid_path": lambda e: refuse("Invalid path"),
    "is_a_folder": lambda e: refuse(f"Artifact path refers to a directory, not a file: {e.got}"),
    "path_occupied": lambda e: refuse(e.message),
    "webhook_not_found": lambda e: refuse(f"Webhook with ID {e.got} not found.", MISSING),
    "bad_source": bad_source,
    "source_climbs": lambda e: bad_source(
        e,
        " If supplying a source as an http, https, local file path, ftp, objectstore, or"
        " mlflow-artifacts uri, an absolute path must be provided without relative path references"
        " present. Please provide an absolute path.",
    ),
    "source_differs": lambda e: bad_source(
        e,
        " The run_id and model_id request parameters must match the referenced model version.",
    ),
    "source_elsewhere": lambda e: bad_source(
        e, " Registered model sources must use the active model registry."
    ),
    "source_is_prompt": lambda e: bad_source(
        e, " Prompt versions cannot be used as model version sources."
    ),
    "source_not_below": _source_not_below,
    "source_on_a_host": lambda e: refuse(
        f"{e.got} is not a valid remote uri. For remote access on windows, please consider using"
        " a different scheme such as SMB (e.g. smb://<hostname>/<path>)."
    ),
    "source_unknown": _unknown_source,
    "bad_page_token": lambda e: refuse("Invalid page token, decoding failed"),
}


def as_wire_error(error: EverloopError, status: int) -> tuple[int, str, str]:
    """Status, error code and message for what was raised; ``status`` is what it would be else."""
    if isinstance(error, WireError):
        return error.status, error.code, error.message
    words = WORDS.get(error.code)
    if words is not None:
        said = words(error)
        return said.status, said.code, said.message
    if isinstance(error, NotFound):
        return status, MISSING, error.message
    return of_status(status, error.message)


def of_status(status: int, message: str) -> tuple[int, str, str]:
    """The same for a status alone; what 422 means, MLflow calls 400."""
    code = OF_STATUS.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
    if status == 404 and message.startswith("There is no "):
        code = MISSING
    return 400 if status == 422 else status, code, message
