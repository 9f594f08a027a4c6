"""A form made from a model's input, what a person put into it, and how to ask without it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from everloop.console.endpoints.predictions import shares_of, why_path
from everloop.data.schema import Feature, Schema
from everloop.errors import invalid
from everloop.store.clock import now_ms

PREFIX = "x."  # before the name of a feature in the form
MANY = 80  # features; the row of a model with more is written as JSON
OPTIONS = 200
WHOLE = "row"  # the field of a whole row as JSON

Input = Literal["number", "text", "select", "levels", "long", "json"]
_INPUTS: dict[str, Input] = {
    "number": "number", "boolean": "select", "category": "levels", "datetime": "text",
    "text": "long", "image": "json", "sequence": "json",
}  # fmt: skip
_EXAMPLES: dict[str, Any] = {"number": 0, "boolean": True, "datetime": "2024-01-01T00:00:00Z"}


class Field(msgspec.Struct, frozen=True):
    """One field: ``levels`` are what the model knows, any other text may be written too."""

    name: str
    feature: str
    kind: str
    input: Input
    levels: list[str]
    value: str


class Tried(msgspec.Struct, frozen=True):
    """What the data plane said to a row; ``error`` when it refused it."""

    row: dict[str, Any]
    answer: str | None = None
    shares: list[tuple[str, float]] = []
    quantiles: list[tuple[str, float]] = []
    version: int | None = None
    id: str | None = None
    error: str | None = None
    why: str | None = None


class AskPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/endpoints/NAME/try.json``.

    ``missing`` says why there is no form; ``curl`` and ``python`` ask the same without it.
    """

    at: int
    endpoint: str
    model: str
    fields: list[Field]
    missing: str | None
    curl: str
    python: str
    tried: Tried | None = None


def ask_page(
    endpoint: str,
    model: str,
    schema: Schema | None,
    url: str,
    row: Mapping[str, Any],
    tried: Tried | None = None,
) -> AskPage:
    """The form filled with ``row``, or with examples where there is none."""
    features = () if schema is None else schema.features
    filled = {f.name: _neat(row.get(f.name) if row else example(f)) for f in features}
    return AskPage(
        at=now_ms(),
        endpoint=endpoint,
        model=model,
        fields=[] if schema is None else fields_of(schema, filled),
        missing="The model's package does not say what it reads." if schema is None else None,
        curl=_curl(url, endpoint, filled),
        python=_python(url, endpoint, filled),
        tried=tried,
    )


def fields_of(schema: Schema, row: Mapping[str, Any]) -> list[Field]:
    """A field for each feature; one for all where there are many."""
    if len(schema.features) > MANY:
        return [Field(WHOLE, WHOLE, "a row, as JSON", "json", [], _json(row))]
    return [
        Field(
            PREFIX + feature.name, feature.name, feature.kind, _INPUTS[feature.kind],
            list(feature.levels[:OPTIONS]) if feature.kind == "category" else [],
            _written(row.get(feature.name), _INPUTS[feature.kind]),
        )
        for feature in schema.features
    ]  # fmt: skip


def row_of(form: Mapping[str, str], schema: Schema) -> dict[str, Any]:
    """What a person put in; an empty field is null, which says that it is missing.

    Raises :class:`~everloop.errors.InvalidInput` for text that is no number, or no JSON.
    """
    if WHOLE in form and len(schema.features) > MANY:
        found = _parsed(WHOLE, form[WHOLE])
        if not isinstance(found, dict):
            raise invalid(WHOLE, form[WHOLE], "a JSON object")
        return found
    written = {f.name: form.get(PREFIX + f.name, "").strip() for f in schema.features}
    return {f.name: _value(f, written[f.name]) for f in schema.features}


def tried_of(
    status: int, body: bytes, row: dict[str, Any], model: str, schema: Schema | None
) -> Tried:
    """The data plane's answer to one row, or its refusal."""
    try:
        said: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return Tried(row, error=f"The data plane answered with status {status}.")
    if status != 200:
        problem = said.get("error", said)
        message = problem.get("message") if isinstance(problem, dict) else problem
        return Tried(row, error=str(message or f"The data plane answered with status {status}."))
    answer, version = _first(said.get("y_pred")), said.get("version")
    return Tried(
        row=row,
        answer=None if answer is None else str(answer),
        shares=_named(_first(said.get("probabilities")), schema),
        quantiles=_quantiles(_first(said.get("quantiles")), schema),
        version=version if isinstance(version, int) else None,
        id=_text(_first(said.get("id"))),
        why=why_path(model, version, row, schema) if isinstance(version, int) else None,
    )


def example(feature: Feature) -> Any:
    """A value that the model can read, to begin with."""
    if feature.kind == "category":
        return feature.levels[0] if feature.levels else ""
    return _EXAMPLES.get(feature.kind, "")


def _value(feature: Feature, text: str) -> Any:
    if not text:
        return None
    if feature.kind == "number":
        try:
            return float(text)
        except ValueError:
            raise invalid(feature.name, text, "a number") from None
    if feature.kind == "boolean":
        return text == "true"
    return _parsed(feature.name, text) if _INPUTS[feature.kind] == "json" else text


def _parsed(field: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise invalid(field, text, f"JSON ({error})") from None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _named(shares: Any, schema: Schema | None) -> list[tuple[str, float]]:
    """Probabilities of one row by class, the largest first; of several labels a row by label."""
    if isinstance(shares, dict):
        return sorted(((str(k), float(v)) for k, v in shares.items()), key=lambda one: -one[1])
    return shares_of(shares if isinstance(shares, list) else None, schema)


def _quantiles(values: Any, schema: Schema | None) -> list[tuple[str, float]]:
    known = () if schema is None else schema.quantiles
    if not isinstance(values, list) or len(values) != len(known):
        return []
    return [(f"{q:.0%}", float(value)) for q, value in zip(known, values, strict=True)]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _neat(value: Any) -> Any:
    """A whole number without its fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _written(value: Any, input: Input) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json(value) if input == "json" and not isinstance(value, str) else str(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _curl(url: str, endpoint: str, row: Mapping[str, Any]) -> str:
    place = f"{url}/endpoints/{quote(endpoint, safe='')}/predict"
    return (
        f"curl -X POST {shlex.quote(place)} \\\n  -H 'content-type: application/json' \\\n"
        f"  -d {shlex.quote(_json([row]))}"
    )


def _python(url: str, endpoint: str, row: Mapping[str, Any]) -> str:
    return (
        "import everloop as el\n\n"
        f"endpoint = el.Endpoint({url!r}, {endpoint!r})\n"
        f"print(endpoint.predict([{dict(row)!r}]))"
    )
