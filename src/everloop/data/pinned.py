"""A schema written down: what data must look like from now on, in a file that people review."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import polars as pl

from everloop.data.conform import conform
from everloop.data.schema import Schema, Tokens
from everloop.data.spec import DataSpec
from everloop.data.target import present_labels
from everloop.errors import invalid


def schema_text(schema: Schema) -> str:
    """The schema as TOML, which :func:`read_schema` reads back to an equal one."""
    return msgspec.toml.encode(schema).decode()


def read_schema(path: Path) -> Schema:
    """The schema in a file.

    Raises :class:`~everloop.errors.InvalidInput` when it is not there or says something else.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Schema)
    except FileNotFoundError:
        raise invalid(
            "data.schema",
            path.name,
            f"a file that exists in {path.parent.resolve().name}/",
            code="missing_file",
            fix="everloop schema --out writes one.",
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise invalid(path.name, f"<{error}>", "a schema", code="invalid_schema") from None


def pinned(frame: pl.DataFrame, spec: DataSpec, base: Path, tokens: Tokens = "words") -> Schema:
    """The schema that ``spec`` names, when ``frame`` and the loop file agree with it.

    Raises :class:`~everloop.errors.InvalidInput` for a column that is missing, extra or of
    another kind, a label that is missing or none of the classes, and a loop file that names
    another target, time or id, or has texts read otherwise.
    """
    assert spec.schema is not None
    schema = read_schema(base / spec.schema)
    for key in ("target", "time", "id", "action"):
        declared, written = getattr(spec, key), getattr(schema, key)
        if declared != written:
            raise invalid(f"data.{key}", declared, f"{written!r}, as {spec.schema} says")
    for feature in schema.features:
        if feature.kind == "text" and feature.tokens != tokens:
            raise invalid(
                "train.prepare.text",
                f"<texts as {tokens}>",
                f'"{feature.name}" as {feature.tokens}, as {spec.schema} says',
                fix=f"everloop schema --out {spec.schema} writes it anew, without data.schema.",
            )
    conform(frame, schema, training=True, ignore=_beside(frame, spec))
    if not spec.unlabelled:
        several = schema.task == "multilabel"
        present_labels(frame[schema.target], allow_null=False, multilabel=several)
    return schema


def _beside(frame: pl.DataFrame, spec: DataSpec) -> list[str]:
    return [name for name in spec.ignore if name in frame.columns]
