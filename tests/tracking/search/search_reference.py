"""Some runs, and a search for them in plain Python that is obviously right."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from everloop.store.database import Database
from everloop.store.tables import (
    experiments,
    run_datasets,
    run_inputs,
    run_metrics,
    run_params,
    run_tags,
    runs,
)

LONG = "a" * 70
TEXTS = [
    "", "a", "A", "ab", "b", "a%", "a_", "a*", "a[b]", "a?", "'", '"', "\\", "a\\", "x' OR 1=1 --",
    "%", "_", LONG, LONG + "b", LONG[:64], "é", "日本", "\U0001f600", "10", "9",
]  # fmt: skip
NUMBERS = [
    -1.7976931348623157e308, -2.5, -1.0, -0.0, 0.0, 1e-300, 0.5, 1.0, 1.5, 2.0, 1e300,
    1.7976931348623157e308, math.nan,
]  # fmt: skip
KEYS = ["k", "a b", "k.l", "x' OR '1'='1", "%"]
DATASETS = [("d1", "h1"), ("d1", "h2"), ("d2", "h1")]


@dataclass
class Row:
    number: int
    id: str
    experiment: int
    status: str
    started: int
    finished: int | None
    deleted: bool
    user: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: list[tuple[str, str, str | None]] = field(default_factory=list)


def some_runs(count: int, seed: int = 7) -> list[Row]:
    pick = random.Random(seed)
    found = []
    for number in range(1, count + 1):
        row = Row(
            number=number,
            id=f"{pick.getrandbits(128):032x}",
            experiment=pick.choice([0, 1, 1, 2]),
            status=pick.choice(["RUNNING", "FINISHED", "FAILED"]),
            started=pick.choice([0, 5, 5, 5, number]),
            finished=pick.choice([None, 7, 8]),
            deleted=pick.random() < 0.2,
            user=pick.choice(["", "a", "A"]),
        )
        for key in KEYS:
            if pick.random() < 0.6:
                row.metrics[key] = pick.choice(NUMBERS)
            if pick.random() < 0.6:
                row.params[key] = pick.choice(TEXTS)
            if pick.random() < 0.4:
                row.tags[key] = pick.choice(TEXTS)
        if pick.random() < 0.9:
            row.tags["mlflow.runName"] = pick.choice(TEXTS)
        for name, digest in DATASETS:
            if pick.random() < 0.3:
                row.inputs.append((name, digest, pick.choice([None, "train", "test"])))
        found.append(row)
    return found


def keep(db: Database, rows: Sequence[Row]) -> None:
    """Write the runs into the experiments 0, 1 and 2."""
    with db.write() as conn:
        for id in (1, 2):
            conn.execute(
                sa.insert(experiments), {"id": id, "name": f"e{id}", "created": 0, "updated": 0}
            )
        ids = {}
        d = run_datasets.c
        for experiment in (0, 1, 2):
            for name, digest in DATASETS:
                one = {"experiment": experiment, "name": name, "digest": digest}
                one |= {"source_type": "", "source": ""}
                made = sa.insert(run_datasets).returning(d.id)
                ids[experiment, name, digest] = conn.execute(made, one).scalar_one()
        conn.execute(sa.insert(runs), [_run(row) for row in rows])
        conn.execute(sa.insert(run_metrics), [one for row in rows for one in _metrics(row)])
        for table, group in ((run_params, "params"), (run_tags, "tags")):
            texts = [
                {"run": row.number, "experiment": row.experiment, "key": key, "value": value}
                for row in rows
                for key, value in getattr(row, group).items()
            ]
            conn.execute(sa.insert(table), texts)
        uses = [
            {
                "run": row.number,
                "dataset": ids[row.experiment, name, digest],
                "tags": _tags(use),
            }
            for row in rows
            for name, digest, use in row.inputs
        ]
        if uses:
            conn.execute(sa.insert(run_inputs), uses)


def _run(row: Row) -> dict[str, Any]:
    return {
        "number": row.number, "id": row.id, "experiment": row.experiment, "name": "n",
        "user": row.user, "status": row.status, "started": row.started,
        "finished": row.finished, "deleted": 1 if row.deleted else None,
        "location": f"mlflow-artifacts:/{row.experiment}",
    }  # fmt: skip


def _metrics(row: Row) -> list[dict[str, Any]]:
    base = {"run": row.number, "experiment": row.experiment, "step": 0, "at": 0}
    return [
        base | {"key": key, "value": 0.0 if math.isnan(value) else value, "nan": math.isnan(value)}
        for key, value in row.metrics.items()
    ]


def _tags(context: str | None) -> str:
    return "{}" if context is None else f'{{"mlflow.data.context":"{context}"}}'


# -- filters, as trees of tuples -------------------------------------------------------------------

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "LIKE": lambda a, b: _like(a, b, 0),
    "ILIKE": lambda a, b: _like(a, b, re.IGNORECASE | re.ASCII),
    "IN": lambda a, b: a in b,
    "NOT IN": lambda a, b: a not in b,
}


def _like(text: str, pattern: str, flags: int) -> bool:
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    if flags:  # only ASCII letters are alike
        fold = str.maketrans({chr(i): chr(i + 32) for i in range(65, 91)})
        text = text.translate(fold)
        parts = iter([part.translate(fold) for part in parts])
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def matches(tree: Any, row: Row) -> bool:
    kind = tree[0]
    if kind == "not":
        return not matches(tree[1], row)
    if kind == "and":
        return all(matches(one, row) for one in tree[1])
    if kind == "or":
        return any(matches(one, row) for one in tree[1])
    _, entity, key, operator, value = tree
    if entity == "datasets":
        index = ("name", "digest", "context").index(key)
        return any(
            one[index] is not None and COMPARE[operator](one[index], value) for one in row.inputs
        )
    got = _value(row, entity, key)
    if operator == "IS NULL":
        return got is None
    if operator == "IS NOT NULL":
        return got is not None
    return got is not None and COMPARE[operator](got, value)


def _value(row: Row, entity: str, key: str) -> Any:
    if entity == "attributes":
        if key == "run_name":
            return row.tags.get("mlflow.runName")
        names = {"run_id": "id", "start_time": "started", "end_time": "finished", "user_id": "user"}
        return getattr(row, names.get(key, key))
    return getattr(row, entity).get(key)


def written(tree: Any) -> str:
    """The filter's text."""
    kind = tree[0]
    if kind == "not":
        return f"NOT ({written(tree[1])})"
    if kind in ("and", "or"):
        return f" {kind} ".join(f"({written(one)})" for one in tree[1])
    _, entity, key, operator, value = tree
    if operator.endswith("NULL"):
        return f"{entity}.`{key}` {operator}"
    return f"{entity}.`{key}` {operator} {_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(_literal(one) for one in value) + ")"
    if isinstance(value, str):
        quote = '"' if "'" in value or value.endswith("\\") else "'"
        return f"{quote}{value}{quote}"
    return repr(value)


def sort(rows: Sequence[Row], orders: Sequence[tuple[str, str, bool]]) -> list[Row]:
    """By (entity, key, descending), then the newest start, then the id."""
    found = sorted(rows, key=lambda row: row.id)
    if not any(key == "start_time" for _, key, _ in orders):
        found.sort(key=lambda row: -row.started)
    for entity, key, descending in reversed(orders):
        present = [row for row in found if not _rank(_value(row, entity, key))]
        present.sort(key=lambda row: _value(row, entity, key), reverse=descending)
        rest = [row for row in found if _rank(_value(row, entity, key))]
        rest.sort(key=lambda row: _rank(_value(row, entity, key)))
        found = present + rest
    return found


def _rank(value: Any) -> int:
    if value is None:
        return 2
    return 1 if isinstance(value, float) and math.isnan(value) else 0
