"""Requests as typed messages, read the way protobuf's JSON parser reads them.

A message is a :class:`Message` with a field for each parameter. What it says about a parameter:

- unknown parameters are ignored, and null counts as left out;
- a number may come as text, in the query it always does; NaN and infinities come as text;
- a list in the query is its parameter given several times;
- :data:`Required` text must be there and not empty.

A good request is read by msgspec alone; only a bad one takes the slow way, which finds out which
parameter MLflow would have complained of, and in which words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar, get_args
from urllib.parse import parse_qs

import msgspec

from everloop.tracking.mlflow_api.errors import bad_value, missing_value, refuse

Required = Annotated[str, msgspec.Meta(min_length=1)]
"""Text that has to be there."""

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]

MAX_FIELDS = 10_000
"""Most parameters of a query."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages; fields stand in the order in which MLflow checks them."""


class Tag(Message, frozen=True):
    """A key with a text, of which an empty one may be left out: a tag or a param."""

    key: Required
    value: str = ""


class Nothing(Message, frozen=True):
    """The message of a request that has no parameters."""


M = TypeVar("M", bound=Message)


class Reader(Generic[M]):
    """Reads requests as messages of one type; refuses with a
    :class:`~everloop.tracking.mlflow_api.errors.WireError`.
    """

    def __init__(self, kind: type[M]) -> None:
        self.kind = kind
        self._decode = msgspec.json.Decoder(kind, strict=False).decode
        self._lists = {
            field.encode_name for field in msgspec.structs.fields(kind) if _is_list(field.type)
        }

    def body(self, raw: bytes, path: Mapping[str, str] | None = None) -> M:
        """A body of JSON, with the parameters in the path over it.

        What is no JSON at all counts as empty, as it does for MLflow.
        """
        if not path and b"\\u0000" not in raw:
            try:
                return self._decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
        return self.fields({**_parse(raw), **(path or {})})

    def query(self, query: bytes, path: Mapping[str, str] | None = None) -> M:
        """The parameters of a query and of the path."""
        try:
            text = query.decode()
            given = parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise refuse(
                f"The query has more than {MAX_FIELDS} parameters or is no text."
            ) from None
        fields: dict[str, Any] = {
            key: values if key in self._lists else values[0] for key, values in given.items()
        }
        return self.fields({**fields, **(path or {})})

    def fields(self, fields: dict[str, Any]) -> M:
        """Parameters by name, as JSON's types or as text."""
        fields = _tidy(fields)
        if "run_uuid" in fields:
            fields.setdefault("run_id", fields["run_uuid"])
        try:
            return msgspec.convert(fields, self.kind, strict=False)
        except msgspec.ValidationError as error:
            _complain(self.kind, fields, "")
            raise refuse(f"Invalid request: {error}") from None


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw) if raw.strip() else {}
        if isinstance(value, str):  # older clients encode twice
            value = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _tidy(value: Any) -> Any:
    """The value without nulls; raises for text that not every database can hold."""
    if isinstance(value, str):
        if "\0" in value:
            raise refuse("The request holds the character NUL, which no text may have.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise refuse("The request holds half of a surrogate pair, which is no text.") from None
        return value
    if isinstance(value, dict):
        return {_tidy(key): _tidy(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_tidy(one) for one in value]
    return value


def _complain(kind: Any, fields: dict[str, Any], at: str) -> None:
    """Raises for the first parameter that is wrong."""
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        value, path = fields.get(name), at + name
        if field.required and value in (None, ""):
            raise missing_value(path)
        if value is None:
            continue
        try:
            msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError:
            inner = _struct_in(field.type)
            if inner is not None and isinstance(value, list):
                for number, one in enumerate(value):
                    if isinstance(one, dict):
                        _complain(inner, one, f"{path}[{number}].")
            elif inner is not None and isinstance(value, dict):
                _complain(inner, value, f"{path}.")
            raise bad_value(path, value) from None


def _is_list(kind: Any) -> bool:
    return getattr(kind, "__origin__", kind) is list or any(_is_list(one) for one in get_args(kind))


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next((found for one in get_args(kind) if (found := _struct_in(one))), None)
