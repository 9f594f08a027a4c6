"""Bodies of requests and responses, in the forms that model servers take and give.

MLflow's scoring protocol (``dataframe_split``, ``dataframe_records``, ``instances``, ``inputs``;
``predictions``), KServe's v1 (``instances``; ``predictions``) and the Open Inference Protocol v2
(a list of tensors as ``inputs`` and as ``outputs``). A table may keep them as JSON text, or nested
as it likes: structs, and maps as lists of keys and values. Nothing is refused here, since somebody
answered it already; what is not understood gives no rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from everloop.data.schema import Schema

ANSWERS = ("prediction", "predict", "predictions", "label", "class", "y", "value")
SHARES = ("probabilities", "probability", "predict_proba", "proba", "scores", "score", "p")
ID, TIME = "(id)", "(time)"  # under these a row has its own
UNSEEN = "?"  # before the name of a column that is no feature: of it only that it came
MOST_UNSEEN = 100
_json = msgspec.json.Decoder()


class Said(NamedTuple):
    """The answer to a row, and the probability of each class where it is told."""

    y: Any
    p: list[float] | None


def asked(body: Any, schema: Schema) -> list[dict[str, Any]]:
    """The rows of a request: the schema's features, its own id and time, what else it has."""
    sent = _object(body)
    split = _object(sent.get("dataframe_split"))
    rows: Any = sent.get("dataframe_records") or sent.get("instances") or sent.get("inputs") or []
    if isinstance(split.get("data"), list):
        names = split.get("columns") or schema.names
        rows = [dict(zip(names, row, strict=False)) for row in split["data"]]
    elif _tensors(rows):
        rows = _of_tensors(rows, schema)
    elif isinstance(rows, dict):
        rows = _of_columns(rows)
    return [_row(row, schema) for row in rows] if isinstance(rows, list) else []


def answered(body: Any, schema: Schema) -> list[Said]:
    """The answers of a response, a row each.

    A list holds the probability of each class, a fraction that of the last of two; an object or
    several tensors name both.
    """
    said = _object(body)
    found: Any = said.get("outputs") if "outputs" in said else said.get("predictions", [])
    if _tensors(found):
        found = _of_outputs(found)
    while isinstance(found, dict) and isinstance(found.get("predictions"), list | dict):
        found = found["predictions"]
    if isinstance(found, dict):
        found = _of_columns(found)
    return [_said(one, schema) for one in found] if isinstance(found, list) else []


# -- requests ------------------------------------------------------------------------------------


def _row(row: Any, schema: Schema) -> dict[str, Any]:
    """A row by the schema's names; a name with dots also finds what is nested."""
    plain = _plain(row)
    if not isinstance(plain, dict):
        values = plain if isinstance(plain, list) else [plain]
        plain = dict(zip(schema.names, values, strict=False))
    found = {name: _inside(plain, name) for name in schema.names}
    beside = {name: _inside(plain, name) for name in schema.beside}
    found |= {name: value for name, value in beside.items() if value is not None}
    for key, name in ((ID, schema.id), (TIME, schema.time)):
        if name is not None and (own := _inside(plain, name)) is not None:
            found[key] = own
    tops = {name.partition(".")[0] for name in schema.names}
    known = {*schema.names, *tops, *schema.beside, schema.id, schema.time, schema.target}
    known.add(schema.group)
    unseen = [name for name in plain if name not in known]
    return found | dict.fromkeys((f"{UNSEEN}{name}" for name in unseen[:MOST_UNSEEN]), True)


def _inside(row: dict[str, Any], name: str) -> Any:
    if name in row:
        return row[name]
    first, dot, rest = name.partition(".")
    inner = row.get(first)
    return _inside(inner, rest) if dot and isinstance(inner, dict) else None


def _of_tensors(tensors: list[Any], schema: Schema) -> list[Any]:
    """A tensor for each column, or a single one of other name with all of them."""
    first = tensors[0]
    if len(tensors) == 1 and first.get("name") not in schema.names:
        return _rows_of(first)
    columns = {str(one.get("name")): _rows_of(one) for one in tensors}
    return _of_columns(columns)


def _rows_of(tensor: dict[str, Any]) -> list[Any]:
    """What the first dimension holds; a second one of one element is none."""
    flat, shape = tensor.get("data") or [], tensor.get("shape") or []
    width = 1
    for size in shape[1:]:
        width *= max(int(size), 1)
    if flat and isinstance(flat[0], list):
        return [row[0] if isinstance(row, list) and len(row) == 1 else row for row in flat]
    if width == 1:
        return list(flat)
    return [flat[start : start + width] for start in range(0, len(flat), width)]


# -- responses -----------------------------------------------------------------------------------


def _of_outputs(tensors: list[Any]) -> list[Any]:
    columns = {str(one.get("name")): _rows_of(one) for one in tensors}
    if len(columns) == 1:
        return next(iter(columns.values()))
    wide = [n for n, rows in columns.items() if rows and isinstance(rows[0], list)]
    narrow = [n for n in columns if n not in wide]
    if len(wide) == len(narrow) == 1:  # called as the model calls them
        return _of_columns({ANSWERS[0]: columns[narrow[0]], SHARES[0]: columns[wide[0]]})
    return _of_columns(columns)


def _said(one: Any, schema: Schema) -> Said:
    plain, p = _plain(one), None
    if isinstance(plain, dict):
        p = next((plain[name] for name in SHARES if plain.get(name) is not None), None)
        plain = next((plain[name] for name in ANSWERS if plain.get(name) is not None), p)
    if isinstance(plain, list) and len(plain) == 1:
        plain = plain[0]
    shares = _shares(p if p is not None else plain, schema)
    if shares is not None and (p is None or plain is p):
        plain = schema.classes[max(range(len(shares)), key=shares.__getitem__)]
    return Said(plain, shares)


def _shares(p: Any, schema: Schema) -> list[float] | None:
    classes = len(schema.classes)
    if classes == 2 and isinstance(p, float) and 0 < p < 1:
        p = [1 - p, p]
    if isinstance(p, dict):  # by the names of the classes
        p = [p.get(str(name)) for name in schema.classes]
    if not isinstance(p, list) or classes < 2 or len(p) != classes:
        return None
    return [float(x) for x in p] if all(isinstance(x, float | int) for x in p) else None


# -- both ----------------------------------------------------------------------------------------


def _tensors(found: Any) -> bool:
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(one, dict) and "name" in one and "data" in one for one in found)
    )


def _of_columns(columns: dict[str, Any]) -> list[dict[str, Any]]:
    lists = {n: values for n, values in columns.items() if isinstance(values, list)}
    if not lists:
        return []
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=False)]


def _object(body: Any) -> dict[str, Any]:
    """A JSON object; empty for what is none."""
    try:
        found = _json.decode(body) if isinstance(body, str | bytes) else _plain(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    """A map, which tables keep as a list of keys and values, as the object that it means."""
    if isinstance(value, list) and value and all(_entry(one) for one in value):
        return {str(one["key"]): one["value"] for one in value}
    return value


def _entry(one: Any) -> bool:
    return isinstance(one, dict) and set(one) == {"key", "value"}


def names_of(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Names of the columns of rows, in the order of their coming."""
    return list(dict.fromkeys(name for row in rows for name in row if name not in (ID, TIME)))
