"""What a window's rows should be like: learned from the reference, kept in a file for people.

Ranges, levels and shares of missing values are obeyed only from a file that somebody has read;
without one the checks of each feature compare with the reference itself. Rules between two
features, repeated rows and the number of rows are learned and obeyed either way.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import msgspec
import polars as pl

from everloop.data.ranges import with_room
from everloop.durations import seconds
from everloop.errors import InvalidInput, did_you_mean, invalid
from everloop.monitor.profile import CategorySketch, NumberSketch, Profile, Sketch
from everloop.monitor.quality.rules import Rule, learn_rules

RISE = 0.1  # of the share of missing values
MOST_LEVELS = 100  # a feature with more is free


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of one feature: bounds of its values, its levels, the largest share that may be missing."""

    range: tuple[float, float] | None = None
    levels: tuple[str, ...] | None = None
    missing: float | None = None


class Expectations(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of all rows of a window.

    Attributes
    ----------
    rows : fewest and most rows of a window; None compares with the windows before.
    silence : the longest time without a row, as ``2h``; empty compares with what was usual.
    repeated_rows : largest share of rows that may repeat another one in all features.
    repeated_ids : the same of ids; None compares with the windows before.
    """

    rows: tuple[int, int] | None = None
    silence: str = ""
    repeated_rows: float | None = None
    repeated_ids: float | None = None
    features: dict[str, Expected] = {}
    rules: tuple[Rule, ...] = ()


def learn(reference: Profile, sample: pl.DataFrame | None) -> Expectations:
    """What the training rows let expect; rules and repetitions only with a ``sample`` of them."""
    return Expectations(
        features={name: _of(sketch) for name, sketch in reference.features.items()},
        repeated_rows=None if sample is None else _repeated(sample),
        rules=() if sample is None else learn_rules(sample),
    )


def read_expectations(path: Path, names: tuple[str, ...]) -> Expectations:
    """The file, checked. Raises :class:`~everloop.errors.InvalidInput` naming what is wrong."""
    return checked(parse_expectations(path), names, path.name)


def parse_expectations(path: Path) -> Expectations:
    """The file as it is, whatever features it names. Raises InvalidInput."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Expectations)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path.name}: is no TOML: {error}.", path=path.name) from None
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        where = f"{path.name}: {place.strip('`').removeprefix('$.') or 'the file'}"
        raise InvalidInput(
            f"{where}: {message[0].lower()}{message[1:]}.", code="invalid_value", path=path.name
        ) from None
    return found


def checked(found: Expectations, names: tuple[str, ...], file: str) -> Expectations:
    """Itself. Raises :class:`~everloop.errors.InvalidInput` for a value that cannot be."""
    named = [*found.features, *(n for rule in found.rules for n in (rule.a, rule.b))]
    for name in named:
        if name not in names:
            raise invalid(
                f"{file}: features", name, "a feature of the model", code="unknown_column",
                fix=did_you_mean(name, names),
            )  # fmt: skip
    for name, one in found.features.items():
        field = f"{file}: features.{name}"
        if one.range is not None and not one.range[0] <= one.range[1]:
            raise invalid(f"{field}.range", list(one.range), "the smaller bound first")
        _share(f"{field}.missing", one.missing)
    _share(f"{file}: repeated_rows", found.repeated_rows)
    _share(f"{file}: repeated_ids", found.repeated_ids)
    if found.rows is not None and not 0 <= found.rows[0] <= found.rows[1]:
        raise invalid(f"{file}: rows", list(found.rows), "the fewest and the most rows")
    if found.silence:
        seconds(found.silence, f"{file}: silence")
    return found


def to_toml(found: Expectations) -> str:
    """The file's text, with what its lines mean."""
    lines = ["# What a window's rows should be like; edit what you know better.", ""]
    for name, meaning in (
        ("rows", "fewest and most rows of a window; without it: as the windows before"),
        ("silence", 'longest time without a row, as "2h"; without it: as usual'),
        ("repeated_rows", "largest share of rows that repeat another one in all features"),
        (
            "repeated_ids",
            "largest share of rows whose id came before; without it: as the windows before",
        ),
    ):
        value = getattr(found, name)
        shown = "#" if value in (None, "") else f"{name} = {_toml(value)}  #"
        lines.append(f"{shown} {name if shown == '#' else ''} {meaning}".replace("  #  ", "  # "))
    for name, one in found.features.items():
        lines += ["", f"[features.{json.dumps(name, ensure_ascii=False)}]"]
        said = msgspec.to_builtins(one)
        lines += [f"{key} = {_toml(value)}" for key, value in said.items()]
    for rule in found.rules:
        lines += ["", "[[rules]]"]
        said = msgspec.to_builtins(rule)
        lines += [f"{key} = {_toml(value)}" for key, value in said.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _of(sketch: Sketch) -> Expected:
    share = sketch.missing / sketch.rows if sketch.rows else 1.0
    missing = round(min(1.0, share + RISE), 3)
    if isinstance(sketch, CategorySketch):
        few = not sketch.unseen and len(sketch.levels) <= MOST_LEVELS
        return Expected(levels=sketch.levels if few else None, missing=missing)
    return Expected(
        range=_range(sketch) if isinstance(sketch, NumberSketch) else None, missing=missing
    )


def _range(sketch: NumberSketch) -> tuple[float, float] | None:
    if not sketch.n:
        return None
    return with_room(float(sketch.points[0]), float(sketch.points[-1]))


def _repeated(sample: pl.DataFrame) -> float | None:
    if not sample.width or not sample.height:
        return None
    share = 1 - sample.n_unique() / sample.height
    return round(min(1.0, 2 * share + 0.05), 3)


def _share(field: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise invalid(field, value, "a share from 0 to 1")
