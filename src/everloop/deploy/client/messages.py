"""What an endpoint is sent and what it answers, as values; no network here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from everloop.errors import EverloopError, InvalidInput, Unavailable, invalid
from everloop.tracking.client.remote import error_of

T = TypeVar("T")

BATCH_ROWS = 1000
INCLUDE = "probabilities,id,version"
EVENTS = "text/event-stream"
# Unique over processes by the random part, over requests by the count.
_process, _count = os.urandom(8).hex(), count(1)


class Predictions(msgspec.Struct, frozen=True):
    """Answers in the order of the rows.

    Attributes
    ----------
    y : a label or a number for each row.
    probabilities : by row and class, or quantiles; None where the model answers numbers alone.
    ids : what feedback names the rows by.
    versions : which version of the model answered each row; more than one during a rollout.
    """

    y: list[Any]
    probabilities: list[list[float]] | None
    ids: list[str]
    versions: list[int]

    def __len__(self) -> int:
        return len(self.y)


class Answer(msgspec.Struct, frozen=True):
    """One answer on the wire."""

    y_pred: list[Any]
    id: list[str]
    version: int
    probabilities: list[list[float]] | None = None
    quantiles: list[list[float]] | None = None


class Event(msgspec.Struct, frozen=True):
    """One answer of a stream: to the ``row`` (from 0), its ``step`` (from 0), and what it is.

    ``id`` is what feedback names the row by.
    """

    row: int
    step: int
    y_pred: Any
    id: str
    probabilities: Any = None


class Explanation(msgspec.Struct, frozen=True):
    """What each feature adds to one answer: ``answer`` is ``base`` plus all contributions."""

    y_pred: Any
    base: float
    answer: float
    contributions: dict[str, float]
    of: Any = None


class _Explained(msgspec.Struct, frozen=True):
    explanations: list[Explanation]


class _Accepted(msgspec.Struct, frozen=True):
    accepted: int


class Message(NamedTuple):
    """One request. ``headers`` hold an id that stays the same however often it is sent."""

    path: str
    content: bytes
    headers: dict[str, str]


def predict_messages(
    name: str | None, rows: Any, key: str | None, batch_rows: int
) -> Iterator[Message]:
    """Requests of at most ``batch_rows`` rows each. Raises :class:`InvalidInput`."""
    if batch_rows < 1:
        raise invalid("batch_rows", batch_rows, "1 or more")
    path = f"{_path(name, 'predict')}?include={INCLUDE}"
    found = records(rows)
    for first in range(0, len(found), batch_rows):
        yield _message(path, found[first : first + batch_rows], key)


def stream_message(name: str | None, rows: Any, key: str | None) -> Message:
    """A request for events."""
    message = _message(_path(name, "predict"), records(rows), key)
    return message._replace(headers={**message.headers, "accept": EVENTS})


class EventReader:
    """From the lines of a stream (WHATWG's server-sent events) to its answers.

    :attr:`ended` is True once the stream has said so; one that is cut off has not.
    """

    def __init__(self, url: str) -> None:
        self.ended = False
        self._url, self._kind = url, ""

    def read(self, line: str) -> Event | None:
        """The answer that a line completes. Raises what the server says went wrong."""
        if line.startswith("event:"):
            self._kind = line[6:].strip()
        if not line.startswith("data:"):
            return None
        kind, self._kind = self._kind, ""
        if kind == "error":
            raise error_of(500, line[5:].encode())
        if kind == "end":
            self.ended = True
            return None
        try:
            return msgspec.json.decode(line[5:], type=Event)
        except msgspec.MsgspecError as error:
            raise EverloopError(
                f"{self._url}: the event is not an endpoint's ({error}).", code="bad_answer"
            ) from None

    def finish(self) -> None:
        """Raises :class:`~everloop.errors.Unavailable` for a stream that was cut off."""
        if not self.ended:
            raise Unavailable(
                f"url: {self._url} ended the stream early.", code="stream_cut_off", path="url"
            )


def explain_message(name: str | None, rows: Any, key: str | None) -> Message:
    """A request for explanations."""
    return _message(_path(name, "explain"), records(rows), key)


def feedback_message(name: str | None, labels: Any) -> Message:
    """A request that tells labels: ``{id: label}``, or ``[{"id": …, "label": …}]``."""
    if isinstance(labels, Mapping):
        labels = [{"id": id, "label": label} for id, label in labels.items()]
    return _message(_path(name, "feedback"), labels, None)


def joined(answers: Sequence[Answer]) -> Predictions:
    """The answers of all batches as one."""
    parts = [answer.probabilities or answer.quantiles for answer in answers]
    known = [part for part in parts if part is not None]
    return Predictions(
        y=[y for answer in answers for y in answer.y_pred],
        probabilities=[row for part in known for row in part] if known else None,
        ids=[id for answer in answers for id in answer.id],
        versions=[answer.version for answer in answers for _ in answer.y_pred],
    )


def explanations(response: httpx.Response) -> list[Explanation]:
    return decoded(response, _Explained).explanations


def accepted(response: httpx.Response) -> int:
    return decoded(response, _Accepted).accepted


def decoded(response: httpx.Response, kind: type[T]) -> T:
    """The body of an answer. Raises what the server says, as the same exception."""
    if response.status_code >= 400:
        raise error_of(response.status_code, response.content)
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError as error:
        raise EverloopError(
            f"{response.url}: the answer is not an endpoint's ({error}).", code="bad_answer"
        ) from None


def unreachable(url: str, error: httpx.HTTPError, attempts: int) -> Unavailable:
    """The sentence for a server that did not answer."""
    times = f" after {attempts} attempts" if attempts > 1 else ""
    return Unavailable(
        f"url: {url} does not answer{times} ({type(error).__name__}).",
        path="url", got=url, fix="everloop serve, or everloop up, answers predictions.",
    )  # fmt: skip


def records(rows: Any) -> list[Any]:
    """Rows as the wire has them: from records, one record, columns, polars or pandas.

    Rows without names, as lists or as a matrix of NumPy, are sent as they are.
    """
    if hasattr(rows, "to_dicts"):  # polars
        found: list[Any] = rows.to_dicts()
    elif hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        found = [
            {name: None if value != value else value for name, value in row.items()}
            for row in rows.to_dict(orient="records")
        ]
    elif isinstance(rows, Mapping):
        found = _from_mapping(rows)
    elif getattr(rows, "ndim", 0) == 2 and hasattr(rows, "tolist"):  # NumPy
        found = rows.tolist()
    elif isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        found = list(rows)
    else:
        expected = "records, a dictionary of columns, a data frame, or rows in the schema's order"
        raise invalid("rows", f"<{type(rows).__name__}>", expected)
    if not found:
        raise InvalidInput("rows: got none, expected at least one.", code="empty", path="rows")
    return found


def _from_mapping(rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    values = list(rows.values())
    if not all(isinstance(value, list | tuple) for value in values):
        return [dict(rows)]
    lengths = {len(value) for value in values}
    if len(lengths) > 1:
        raise invalid("rows", f"<columns of {sorted(lengths)} values>", "columns of equal length")
    return [dict(zip(rows, row, strict=True)) for row in zip(*values, strict=True)]


def _message(path: str, value: Any, key: str | None) -> Message:
    headers = {"content-type": "application/json", "x-request-id": f"{_process}{next(_count):08x}"}
    if key is not None:
        headers["x-everloop-key"] = key
    try:
        return Message(path, msgspec.json.encode(value, enc_hook=_plain), headers)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InvalidInput(f"rows: {error}.", code="mistyped_body", path="rows") from None


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, whose library need not be here to know them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise NotImplementedError(f"a {type(value).__name__} is no value of JSON")


def _path(name: str | None, verb: str) -> str:
    return f"/{verb}" if name is None else f"/endpoints/{quote(name, safe='')}/{verb}"
