"""What the registry hands out, and how it is kept in a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from everloop.errors import Conflict, invalid
from everloop.registry.names import check_model_name
from everloop.store.texts import check_long, check_short, json_text

_DIGEST = re.compile(r"[0-9a-f]{64}")

Stage = Literal["None", "Staging", "Production", "Archived"]
STAGES: tuple[Stage, ...] = get_args(Stage)

Status = Literal["READY", "PENDING_REGISTRATION", "FAILED_REGISTRATION"]

TEXT = 100_000
"""Most characters of a description or of a tag's value."""

URI = 10_000
TAG_KEY = 250
PROMPT = "mlflow.prompt.is_prompt"
"""The tag of a model that is a prompt: a text with versions."""

PROMPT_TEXT = "mlflow.prompt.text"
"""The tag of a prompt's version that holds the text."""


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model.

    Attributes
    ----------
    key : what the caller made it under; registering the same key again gives this version.
    digest : sha256 of its package's ``package.toml``, which names all other files by theirs. None
        for a version that is known by its ``source`` only.
    files : digest of the blob of each file of the package, by path.
    run, dataset, cycle, logged_model : what it came from.
    metrics : on the held-out part; a value that was not a finite number is NaN.
    source : the URI that it was made from. ``location`` : the URI that its files are read from.
    """

    model: str
    version: int
    key: str
    digest: str | None = None
    algorithm: str | None = None
    run: str | None = None
    dataset: str | None = None
    cycle: str | None = None
    metrics: dict[str, float] = {}
    files: dict[str, str] = {}
    description: str | None = None
    user: str | None = None
    stage: Stage = "None"
    status: Status = "READY"
    status_message: str | None = None
    source: str | None = None
    location: str | None = None
    run_link: str | None = None
    logged_model: str | None = None
    created: int
    updated: int
    tags: dict[str, str] = {}
    aliases: list[str] = []

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"

    def package_digest(self) -> str:
        """The digest of its package; raises :class:`~everloop.errors.Conflict` if it has none."""
        if self.digest is None:
            raise Conflict(
                f"The version {self} has no model package: it is known by its source only, "
                f"{self.source}.",
                code="no_package",
                got=str(self),
                fix="Train it with `everloop train`, which makes a package of it.",
            )
        return self.digest


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A registered model; ``newest`` is the number of its newest version, None without any."""

    name: str
    description: str | None
    created: int
    updated: int
    newest: int | None
    tags: dict[str, str]
    aliases: dict[str, int]


def from_row(row: Any, tags: dict[str, str], aliases: list[str]) -> ModelVersion:
    """The version that a row of ``model_versions`` holds."""
    values = dict(row._mapping)
    values["files"] = msgspec.json.decode(row.files)
    metrics = msgspec.json.decode(row.metrics, type=dict[str, float | None])
    values["metrics"] = {
        name: float("nan") if value is None else value for name, value in metrics.items()
    }
    return ModelVersion(**values, tags=tags, aliases=aliases)


def to_row(version: ModelVersion) -> dict[str, Any]:
    """The row of ``model_versions`` for a version.

    Raises :class:`~everloop.errors.InvalidInput` for a name, digest or path that cannot be kept.
    """
    check_model_name(version.model)
    check_short("key", version.key, 255)
    for name, limit in _LIMITS.items():
        value = getattr(version, name)
        if value is not None:
            check_short(name, value, limit)
    check_description(version.description)
    if version.digest is not None:
        _digest("digest", version.digest)
    kept = set(version.__struct_fields__) - {"tags", "aliases"}
    row = {name: getattr(version, name) for name in kept}
    row["metrics"] = json_text(version.metrics)
    row["files"] = json_text(_files(version.files))
    return row


_LIMITS = {
    "algorithm": 255,
    "run": 32,
    "dataset": 64,
    "cycle": 64,
    "user": 256,
    "status_message": URI,
    "source": URI,
    "location": URI,
    "run_link": URI,
    "logged_model": 64,
}


def check_description(value: str | None) -> str | None:
    """``value`` when it may be a description; an empty one is kept as it is."""
    return value if not value else check_long("description", value, TEXT)


def check_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """``tags`` when their keys and values can be kept."""
    for key, value in tags.items():
        check_short("tag", key, TAG_KEY)
        check_long(f"tags.{key}", value, TEXT)
    return dict(tags)


def check_stage(stage: str) -> Stage:
    """The stage that ``stage`` means, in whatever case it is written."""
    for known in STAGES:
        if isinstance(stage, str) and known.lower() == stage.lower():
            return known
    raise invalid("stage", stage, "one of " + ", ".join(STAGES), code="bad_stage")


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Whether the tags are those of a prompt."""
    return tags.get(PROMPT, "").lower() == "true"


def _digest(field: str, value: str) -> None:
    if not _DIGEST.fullmatch(value):
        raise invalid(field, value, "64 lower-case hexadecimal digits")


def _files(files: Mapping[str, str]) -> dict[str, str]:
    for path, digest in files.items():
        parts = path.split("/")
        if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise invalid("files", path, "a path inside the package, such as model.onnx")
        _digest(f"files.{path}", digest)
    return dict(files)
