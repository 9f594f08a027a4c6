"""The loop file: what good means, as typed sections; parsed, checked, and nothing else.

``parse`` turns the text of an ``everloop.toml`` into a :class:`Declaration`; every mistake is one
sentence that names the key, what was got, what was expected and the nearest valid word.
"""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from everloop.data.addresses import check_address
from everloop.data.environments import ACTION
from everloop.data.forecast import check_forecast
from everloop.data.multilabel import COMBINED
from everloop.data.schema import UNLABELLED
from everloop.data.spec import DataSpec
from everloop.deploy.checked import check_rollout
from everloop.deploy.spec import DeploySpec, ServingSpec
from everloop.durations import seconds
from everloop.errors import InvalidInput, NotFound, invalid, not_one_of
from everloop.evaluate.spec import EvaluateSpec
from everloop.loop.hiding import check_log
from everloop.loop.monitored import check_monitor
from everloop.monitor.spec import MonitorSpec
from everloop.settings import Settings, load_settings
from everloop.train.bounds import check_limits, check_search, check_validation
from everloop.train.spec import TrainSpec
from everloop.update.spec import UpdateSpec

FILE_NAME = "everloop.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
S = TypeVar("S", bound=msgspec.Struct)


class LoopSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The ``[loop]`` section."""

    name: str  # of the loop, its model and its endpoint; the folder's name unless given
    description: str = ""  # one line for people
    seed: int = 0  # of every random choice


class Declaration(msgspec.Struct, frozen=True):
    """A whole loop file, without its ``[settings]``."""

    loop: LoopSpec
    data: DataSpec
    train: TrainSpec = TrainSpec()
    evaluate: EvaluateSpec = EvaluateSpec()
    deploy: DeploySpec = DeploySpec()
    monitor: MonitorSpec = MonitorSpec()
    update: UpdateSpec = UpdateSpec()

    @property
    def name(self) -> str:
        return self.loop.name

    @property
    def endpoint(self) -> str:
        """The name callers use; the loop's own unless the file says otherwise."""
        return self.deploy.endpoint or self.loop.name


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "loop": LoopSpec,
    "data": DataSpec,
    "train": TrainSpec,
    "evaluate": EvaluateSpec,
    "deploy": DeploySpec,
    "monitor": MonitorSpec,
    "update": UpdateSpec,
}


class LoopFile(msgspec.Struct, frozen=True):
    """A parsed loop file: the declaration and the project's settings."""

    declaration: Declaration
    settings: Settings


def load_file(path: Path) -> LoopFile:
    """Read and check ``everloop.toml``.

    Raises :class:`~everloop.errors.NotFound` when it is not there and
    :class:`~everloop.errors.InvalidInput` for anything wrong inside.
    """
    if path.is_dir():
        path = path / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(
            f"{path.name}: no such file in {path.parent.resolve().name}/.",
            path=path.name,
            fix="everloop init DATA.csv writes one; --dir FOLDER names one elsewhere.",
        ) from None
    except UnicodeDecodeError as error:
        raise invalid(path.name, f"byte {error.start} that is not UTF-8", "UTF-8 text") from None
    return parse(text, default_name=path.resolve().parent.name)


def parse(text: str, default_name: str = "loop") -> LoopFile:
    """Check the text of a loop file. See :func:`load_file` for what it raises."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(
            f"everloop.toml: not valid TOML: {error}.", code="invalid_toml"
        ) from None
    return from_dict(raw, default_name)


def from_dict(raw: dict[str, Any], default_name: str = "loop") -> LoopFile:
    """The same from a dictionary of sections."""
    known = [*SECTIONS, "settings"]
    for key, value in raw.items():
        if key not in known:
            raise not_one_of(key, key, known, code="unknown_key")
        if not isinstance(value, dict):
            raise invalid(key, value, f"a section [{key}]")
    if "data" not in raw:
        raise invalid(
            "data",
            "<no section>",
            "a section [data] with source and target",
            fix="everloop init DATA.csv writes one.",
            code="missing_key",
        )
    sections = dict(raw)
    sections["data"] = _with_target(_with_environment(raw["data"]))
    sections["loop"] = {"name": _safe_name(default_name), **raw.get("loop", {})}
    parts = {name: _section(name, cls, sections.get(name, {})) for name, cls in SECTIONS.items()}
    declaration = Declaration(**parts)  # type: ignore[arg-type]
    _check_values(declaration)
    return LoopFile(declaration, load_settings(raw.get("settings")))


def _with_environment(data: dict[str, Any]) -> dict[str, Any]:
    """A policy has no source and no target of its own: its environment stands for both."""
    name = data.get("environment")
    if not isinstance(name, str):
        return data
    implied = {"source": f"environment:{name}", "target": ACTION}
    for key, value in implied.items():
        if data.get(key, value) != value:
            raise invalid(f"data.{key}", data[key], f"no {key} beside data.environment")
    return {"feedback": False} | data | implied


def _with_target(data: dict[str, Any]) -> dict[str, Any]:
    """A list as the target names a label each; anomalies need no target at all; with an action the
    target is its reward."""
    target = data.get("target")
    if isinstance(target, list):
        if "labels" in data:
            raise invalid("data.target", target, "a name beside data.labels, or no data.labels")
        data = {key: value for key, value in data.items() if key != "target"}
        data["labels"] = target
    if data.get("labels"):
        return {"target": COMBINED, "task": "multilabel"} | data
    if data.get("action"):
        return {"task": "bandit"} | data
    if target is None and data.get("task") == "anomaly":
        return {"target": UNLABELLED, "unlabelled": True} | data
    return data


def to_dict(declaration: Declaration) -> dict[str, Any]:
    """Plain dictionaries that :func:`from_dict` reads back."""
    out: dict[str, Any] = msgspec.to_builtins(declaration)
    return out


def _section(name: str, cls: type[S], values: dict[str, Any]) -> S:
    _check_keys(name, cls, values)
    try:
        return msgspec.convert(values, cls)
    except msgspec.ValidationError as error:
        raise _translated(name, cls, values, str(error)) from None


def _check_keys(where: str, cls: type[msgspec.Struct], values: dict[str, Any]) -> None:
    fields = _fields(cls)
    for key, value in values.items():
        if key not in fields:
            raise not_one_of(f"{where}.{key}", key, fields, code="unknown_key")
        nested = _nested_struct(fields[key].type)
        if nested is not None and isinstance(value, dict):
            _check_keys(f"{where}.{key}", nested, value)
        elif nested is not None and isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, dict):
                    _check_keys(f"{where}.{key}[{place}]", nested, item)
    for key, field in fields.items():
        if field.required and key not in values:
            raise invalid(f"{where}.{key}", "<nothing>", f"a value for {key}", code="missing_key")


@functools.cache
def _fields(cls: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a section by their names; finding their types takes a while."""
    return {field.name: field for field in msgspec.structs.fields(cls)}


def _nested_struct(kind: Any) -> type[msgspec.Struct] | None:
    for option in (kind, *getattr(kind, "__args__", ())):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _translated(name: str, cls: type, values: dict[str, Any], message: str) -> InvalidInput:
    """msgspec's message, as our sentence: ``Expected `int`, got `str` - at `$.seed` ``."""
    expected, _, at = message.partition(" - at `$.")
    path = at.rstrip("`") if at else ""
    got: Any = values
    for part in re.findall(r"[A-Za-z_]+|\d+", path):
        got = got[int(part)] if part.isdigit() else got[part]
    kind = _kind_at(cls, path)
    choices = _words_of(kind)
    wanted = expected.replace("`", "").partition(", got")[0].removeprefix("Expected ")
    if "Invalid enum value" in expected or (wanted == "str" and choices):
        return not_one_of(f"{name}.{path}", got, choices or ["another value"])
    words = {
        "str": "text",
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "array": "a list",
        "object": "a table",
    }
    wanted = " or ".join(words.get(w, w) for w in wanted.split(" | ") if w != "null")
    table = _nested_struct(kind)
    if wanted == "a table" and table is not None:
        wanted = f"a table of {', '.join(_fields(table))}"
    fix = f'Write ["{got}"].' if wanted == "a list" and isinstance(got, str) else None
    return invalid(f"{name}.{path}" if path else name, got, wanted, fix=fix)


def _kind_at(cls: Any, path: str) -> Any:
    """The type of the field at ``path``; None where that leads out of the sections."""
    for part in re.sub(r"\[\d+\]", "", path).split("."):
        section = _nested_struct(cls)
        if section is None or part not in _fields(section):
            return None
        cls = _fields(section)[part].type
    return cls


def _words_of(kind: Any) -> list[str]:
    """Of a ``Literal``, also within a tuple or beside None."""
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    return [word for inner in get_args(kind) for word in _words_of(inner)]


def _check_values(d: Declaration) -> None:
    if not _NAME.fullmatch(d.loop.name):
        raise invalid("loop.name", d.loop.name, "letters, digits, '_', '-' or '.', at most 100")
    if not 0 <= d.loop.seed < 2**31:
        raise invalid("loop.seed", d.loop.seed, "a whole number from 0 to 2147483647")
    if d.deploy.endpoint and not _NAME.fullmatch(d.deploy.endpoint):
        raise invalid("deploy.endpoint", d.deploy.endpoint, "letters, digits, '_', '-' or '.'")
    if not d.data.source:
        raise invalid("data.source", d.data.source, "a path or a glob of data files")
    check_address(d.data.source, d.data.query)
    _check_keys_of_rows(d.data)
    if d.data.forecast is not None:
        check_forecast(d.data.forecast, d.data.time)
    check_rollout(d.deploy.rollout)
    _check_serving(d.deploy.serving)
    check_search(d.train)
    check_limits(d.train.limits)
    check_validation(d.train.validation, d.data.time, d.evaluate.group_by or d.data.group)
    if d.train.threshold == "cost" and d.evaluate.cost is None:
        fix = "Write what an answer costs into [evaluate.cost]."
        raise invalid("train.threshold", "cost", "costs to choose by", fix=fix)
    _check_holdout(d)
    check_monitor(d.monitor)
    check_log(d.monitor.log, d.data)
    seconds(d.update.cooldown, "update.cooldown")


def _check_keys_of_rows(data: DataSpec) -> None:
    roles = {"target": data.target, "time": data.time, "id": data.id}
    roles |= {"action": data.action, "propensity": data.propensity}
    _check_labels(data)
    _check_rewards(data)
    seen: dict[str, str] = {}
    for role, column in roles.items():
        if column is None:
            continue
        if column in seen:
            raise invalid(f"data.{role}", column, f"a column other than data.{seen[column]}")
        if column in data.ignore:
            raise invalid("data.ignore", column, f"columns other than data.{role}")
        seen[column] = role


def _check_labels(data: DataSpec) -> None:
    if data.labels and data.task != "multilabel":
        raise invalid("data.task", data.task, '"multilabel", as data.labels are given')
    if data.labels and len(set(data.labels)) < max(len(data.labels), 2):
        raise invalid(
            "data.labels",
            list(data.labels),
            "two or more different columns",
            fix="One label alone is the target of a binary task.",
        )
    for role, column in (("time", data.time), ("id", data.id), ("group", data.group)):
        if column is not None and column in data.labels:
            raise invalid(f"data.{role}", column, "a column other than those of data.labels")
    for column in data.ignore:
        if column in data.labels:
            raise invalid("data.ignore", column, "columns other than those of data.labels")
    if data.unlabelled and data.task != "anomaly":
        raise invalid("data.unlabelled", True, "the task anomaly beside it")


def _check_rewards(data: DataSpec) -> None:
    if data.action is not None and data.task != "bandit":
        raise invalid("data.task", data.task, '"bandit", as data.action is given')
    if data.action is None and data.task == "bandit":
        fix = "Its reward is data.target; data.propensity says how probable it was."
        raise invalid("data.action", "<nothing>", "the column of what was done", fix=fix)
    if data.action is None and data.propensity is not None:
        raise invalid("data.propensity", data.propensity, "data.action beside it")


def _check_serving(serving: ServingSpec) -> None:
    least = {"concurrency": 1, "queue": 0, "deadline_ms": 0, "batch_ms": 0, "cache": 0}
    for field, bound in least.items():
        value = getattr(serving, field)
        if value < bound:
            raise invalid(f"deploy.serving.{field}", value, f"{bound} or more")


def _check_holdout(d: Declaration) -> None:
    if d.evaluate.episodes < 1:
        raise invalid("evaluate.episodes", d.evaluate.episodes, "1 or more")
    holdout, gap = d.evaluate.holdout, d.evaluate.gap
    if gap is not None:
        seconds(gap, "evaluate.gap")
        if d.data.time is None or d.evaluate.split in ("random", "stratified"):
            expected = "no gap where the rows are not divided by data.time"
            raise invalid("evaluate.gap", gap, expected, fix="Leave it out.")
    if isinstance(holdout, str):
        seconds(holdout, "evaluate.holdout")
        if d.data.time is None:
            raise invalid(
                "evaluate.holdout",
                holdout,
                "a share such as 0.2 when there is no data.time",
                fix="Name the time column in [data].",
            )
    elif not 0 < holdout < 1:
        raise invalid("evaluate.holdout", holdout, "a share in (0, 1)")


def _safe_name(text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")
    return name[:100] or "loop"
