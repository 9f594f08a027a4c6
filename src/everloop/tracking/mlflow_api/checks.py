"""What MLflow refuses before it looks at a store, in its words.

Keys of metrics, params and tags may become names of files, so they must be what they are when they
are read as a path; the limits are those that MLflow's clients know.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any

from everloop.tracking.checks import KEY, PARAM, TAG
from everloop.tracking.experiments import NAME as EXPERIMENT_NAME
from everloop.tracking.mlflow_api.errors import INVALID, MISSING, invalid_value, refuse, too_long

CUT = 65_536
"""Params and tags of runs are cut to their limits up to this length, and refused beyond it."""

METRICS_OF_BATCH = 1000
TEXTS_OF_BATCH = 100
BATCH = 1000
MOST_RESULTS = 50_000

_PLAIN = re.compile(r"[\w\- :][\w.\- :]*")
_ALLOWED = re.compile(r"[/\w.\- :]*")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_CHARACTERS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.),"
    " spaces ( ), colon(:) and slashes (/)."
)


def check_key(key: str, path: str) -> None:
    """Refuses a key that is no good name; ``path`` is the parameter it came in."""
    if _PLAIN.fullmatch(key):
        return
    if not _ALLOWED.fullmatch(key):
        raise refuse(invalid_value(path, key, _CHARACTERS))
    check_unambiguous(key, path)


def check_unambiguous(name: str, path: str) -> None:
    """Refuses a name that is another one when it is read as a path."""
    resolved = posixpath.normpath(name)
    if resolved != name or resolved == "." or resolved.startswith(("..", "/")):
        raise refuse(
            invalid_value(
                path,
                name,
                "Names may be treated as files in certain cases, and must not resolve to other"
                f" names when treated as such. This name would resolve to {resolved!r}",
            )
        )


def check_metric(key: str, value: float, at: int, path: str = "") -> None:
    """Refuses a metric; ``path`` stands before the parameters in what is said of them."""
    check_key(key, path + "name")
    if at < 0:
        raise refuse(
            invalid_value(
                path + "timestamp",
                at,
                f"metric '{key}' (value={value}). "
                "Timestamp must be a nonnegative long (64-bit integer) ",
            )
        )
    if len(key) > KEY:
        raise too_long("Metric name", KEY)


def check_metrics(metrics: Sequence[Any]) -> None:
    """Refuses the first metric of a batch that is wrong; most have a key that was there before."""
    seen: set[str] = set()
    for number, metric in enumerate(metrics):
        if metric.key not in seen or metric.at < 0:
            check_metric(metric.key, metric.value, metric.at, f"metrics[{number}].")
            seen.add(metric.key)


def check_param(key: str, value: str, path: str = "") -> None:
    """Refuses a param; ``path`` stands before the parameters in what is said of them."""
    check_key(key, path + "key")
    if len(key) > KEY:
        raise too_long("Param key", KEY)
    if len(value) > CUT:
        raise too_long("Param value", PARAM)


def check_tag(key: str, value: str, path: str = "", most: int = CUT) -> None:
    """Refuses a tag; ``path`` stands before the parameters in what is said of them."""
    check_key(key, path + "key")
    if len(key) > KEY:
        raise too_long(path + "key", KEY)
    if len(value) > most:
        raise too_long(path + "value", TAG if most == CUT else most)


def cut(value: str, most: int) -> str:
    """The beginning of a value that is somewhat too long, which MLflow cuts off as well."""
    return value if len(value) <= most else value[:most]


def check_batch(metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
    """Refuses a batch of more than MLflow takes at a time."""
    total = len(metrics) + len(params) + len(tags)
    for what, length, most in (
        ("metrics", len(metrics), METRICS_OF_BATCH),
        ("params", len(params), TEXTS_OF_BATCH),
        ("tags", len(tags), TEXTS_OF_BATCH),
        ("metrics, params, and tags", total, BATCH),
    ):
        if length > most:
            raise refuse(
                f"A batch logging request can contain at most {most} {what}. Got {length} {what}."
                f" Please split up {what} across multiple requests and try again."
            )


def check_run_id(run: str) -> None:
    """Refuses what cannot be a run's id."""
    if not _RUN_ID.fullmatch(run):
        raise refuse(invalid_value("run_id", run))


def check_experiment_name(name: str) -> None:
    """Refuses a name that no experiment may have."""
    if not name:
        raise refuse(f"Invalid experiment name: '{name}'")
    if len(name) > EXPERIMENT_NAME:
        raise too_long("name", EXPERIMENT_NAME)


def experiment_id(text: str) -> int:
    """An experiment's id as a number."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    if re.fullmatch(r"-?\d+", text):
        raise refuse(f"No Experiment with id={text[:100]} exists", MISSING)
    raise refuse(
        f"Invalid experiment ID '{text[:100]}'. Experiment ID must be a valid integer.", INVALID
    )


def page_size(limit: int, most: int = MOST_RESULTS) -> int:
    """``max_results`` when it is in bounds."""
    if limit < 1:
        raise refuse(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be"
            " a positive integer"
        )
    if limit > most:
        raise refuse(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be at most {most}"
        )
    return limit


def named(value: int | str | None, names: Sequence[str], parameter: str) -> str | None:
    """One of an enumeration's names, which may be given by its number, the first being 1."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        value = int(value)
    if isinstance(value, int):
        if 0 < value <= len(names):
            return names[value - 1]
    elif value is None or value in names:
        return value
    raise refuse(invalid_value(parameter, value, "It must be one of " + ", ".join(names) + "."))
