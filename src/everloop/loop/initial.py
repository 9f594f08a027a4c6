"""The first loop file of a project, written from looking at its data."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from everloop.data.infer import infer_schema
from everloop.data.spec import DataSpec
from everloop.data.streams.staying import bounded
from everloop.data.suggest import Suggestion, suggest
from everloop.errors import Conflict, NotFound, invalid
from everloop.evaluate.metrics import default_metric
from everloop.loop.declaration import FILE_NAME, parse
from everloop.loop.project import Project
from everloop.replacing import replace_file

DATA_FILES = ("*.parquet", "*.csv", "*.tsv", "*.jsonl", "*.arrow", "*.feather")
CANDIDATES = {
    "regression": ["linear_regression", "lightgbm"],
    "binary": ["logistic_regression", "lightgbm"],
    "multiclass": ["logistic_regression", "lightgbm"],
}

TEMPLATE = """\
# What good means for this loop. `everloop check` explains it, `everloop run` goes once round.
[loop]
name = {name}

[data]
source = {source}          # csv, parquet, jsonl or arrow; a glob reads many
target = {target}
{time}
{id}
# ignore = ["column"]      # columns that are neither features nor keys

[train]
candidates = {candidates}
# search = {{ trials = 40, timeout = "10m" }}

[evaluate]
metric = {metric}
gates = [{gate}]           # more: "{metric_name} {sign} {bound}", "p99_latency_ms <= 20"
# holdout = {holdout}

[deploy]
rollout = {{ kind = "canary", steps = [0.05, 0.25, 1.0], guard = "error_rate" }}

[monitor]
window = "1d"
# performance = {{ labels_after = "1d" }}

[update]
when = ["drift", "performance"]   # more: "every 30d"
# approval = "human"              # a person decides before a new version serves
"""


class Initialised(msgspec.Struct, frozen=True):
    """What was guessed and written."""

    file: str
    loop: str
    task: str
    target: str
    why: str
    time: str | None
    id: str | None
    notes: list[str]


def initialise(
    folder: Path,
    data: str | None = None,
    *,
    target: str | None = None,
    name: str | None = None,
    force: bool = False,
) -> Initialised:
    """Look at the data, write ``everloop.toml``, and open the project once, which makes its keys.

    Raises :class:`~everloop.errors.Conflict` when there is a loop file already.
    """
    file = folder / FILE_NAME
    if file.exists() and not force:
        raise Conflict(
            f"{FILE_NAME}: exists already.",
            path=FILE_NAME,
            code="exists",
            fix="--force replaces it.",
        )
    source = data or _only_data_file(folder)
    guess = _guess(_located(folder, source), target)
    loop = _plain(name or Path(source).stem or folder.resolve().name)
    task = guess.task or "unknown"
    text = _render(loop, source, guess.target, task, guess.time, guess.id)
    parse(text)
    replace_file(file, text.encode())
    Project.open(folder).close()
    return Initialised(
        file=FILE_NAME,
        loop=loop,
        task=task,
        target=guess.target,
        why=guess.why,
        time=guess.time,
        id=guess.id,
        notes=list(guess.notes),
    )


def _guess(path: Path, target: str | None) -> Suggestion:
    guess = suggest(path)
    if target is None:
        return guess
    time, key = (column if column != target else None for column in (guess.time, guess.id))
    spec = DataSpec(source=path.name, target=target, time=time, id=key)
    frame, _ = bounded(DataSpec(source=path.name, target=""), path.parent)
    found = infer_schema(frame, spec, allow_null_target=True)
    return Suggestion(target, "as you said", time, key, found.schema.task, found.notes)


def _only_data_file(folder: Path) -> str:
    found = sorted({f.name for pattern in DATA_FILES for f in folder.glob(pattern)})
    if len(found) != 1:
        got = ", ".join(found) or "none"
        raise NotFound(
            f"data: got no file, and the folder has {got}.",
            path="data",
            fix="Name one: everloop init DATA.csv",
        )
    return found[0]


def _located(folder: Path, source: str) -> Path:
    """A file as the caller named it: from here, or from the project's folder."""
    path = Path(source)
    return path if path.is_absolute() or path.exists() else folder / source


def _render(
    loop: str, source: str, target: str, task: str, time: str | None, key: str | None
) -> str:
    # A target that cannot be trained on yet still gets a file, and a note of what to mend.
    metric = default_metric("binary" if task == "unknown" else task)  # type: ignore[arg-type]
    sign, bound = (">=", "0.6") if metric.greater_is_better else ("<=", "10")
    return TEMPLATE.format(
        name=_toml(loop),
        source=_toml(source),
        target=_toml(target),
        time=f"time = {_toml(time)}"
        if time
        else '# time = "column"       # then splits and windows follow it',
        id=f"id = {_toml(key)}"
        if key
        else '# id = "column"         # joins labels that come later to predictions',
        candidates=_toml(CANDIDATES.get(task, CANDIDATES["binary"])),
        metric=_toml(metric.name),
        metric_name=metric.name,
        sign=sign,
        bound=bound,
        gate=_toml(f"{metric.name} beats champion"),
        holdout='"7d"' if time else "0.2",
    )


def _toml(value: object) -> str:
    """JSON's strings and lists are TOML's too."""
    return msgspec.json.encode(value).decode()


def _plain(text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.*")
    if not name:
        raise invalid("loop.name", text, "a name with letters or digits")
    return name[:100]
