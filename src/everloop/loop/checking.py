"""Everything that can be said about a loop file before it is run."""

from __future__ import annotations

import importlib
from pathlib import Path

import msgspec
import polars as pl

from everloop.data.declared import infer_declared
from everloop.data.encode import encode_target
from everloop.data.leaks import Leak, leaks
from everloop.data.pinned import schema_text
from everloop.data.schema import Kind, Schema, Task
from everloop.data.sources.fingerprint import has_fingerprint
from everloop.data.streams.staying import bounded, stays
from everloop.errors import InvalidInput
from everloop.evaluate.costs import metric_of
from everloop.evaluate.gates import check_spec as check_evaluate
from everloop.evaluate.gates.check import with_beside
from everloop.loop.contradictions import check_together
from everloop.loop.declaration import FILE_NAME, Declaration, load_file
from everloop.loop.dividing import check_validation_parts, divide, known_of
from everloop.loop.hiding import beside_notes, check_columns, hidden_notes
from everloop.monitor.kept import check_segments
from everloop.replacing import replace_file
from everloop.train.check import check_spec as check_train
from everloop.train.check import check_unlabelled, default_candidates, find_candidate
from everloop.train.loading import has_module
from everloop.train.search.space import ranges
from everloop.update.checking import check_update
from everloop.update.methods import About, Choice
from everloop.update.sound import check_sound


class Checked(msgspec.Struct, frozen=True):
    """A sound loop file: what it will do, and what a person should know."""

    loop: str
    task: str
    target: str
    rows: int
    features: list[tuple[str, Kind, int | None]]
    notes: list[str]
    leaks: list[Leak] = []


def check(folder: Path) -> Checked:
    """Check a folder's loop file and the data it names, without changing anything.

    Raises :class:`~everloop.errors.EverloopError` for the first thing that is wrong.
    """
    declaration, frame, rows = _looked_at(folder)
    tokens = declaration.train.prepare.tokens
    inferred = infer_declared(frame, declaration.data, folder, tokens)
    check_words(declaration, inferred.schema.task)
    if declaration.data.unlabelled:
        check_unlabelled(declaration.train)
    schema = inferred.schema
    check_evaluate(declaration.evaluate, schema.task, frame.columns, schema)
    metric_of(declaration.evaluate, inferred.schema)
    beside = with_beside(inferred.schema, declaration.evaluate)
    check_columns(declaration.monitor.log, beside)
    check_segments(declaration.monitor.segments, inferred.schema)
    for name in declaration.train.candidates:
        if ":" not in name:
            find_candidate(name).suits(inferred.schema)
    parts, note = divide(frame, inferred.schema, declaration)
    if declaration.train.space:
        # Building an algorithm imports its library, which only a declared space is worth.
        buildable = importlib.import_module("everloop.train.search.buildable")
        buildable.check_spaces(
            declaration.train, inferred.schema, len(parts.train), declaration.loop.seed
        )
    _check_validation(frame[parts.train], inferred.schema, declaration)
    features = [(f.name, f.kind, f.vocabulary or None) for f in inferred.schema.features]
    return Checked(
        loop=declaration.name,
        task=inferred.schema.task,
        target=inferred.schema.target,
        rows=rows,
        features=features,
        notes=[
            *_sampled(frame.height, rows),
            *inferred.notes,
            *([note] if note else []),
            *_device_notes(declaration),
            *_space_notes(declaration),
            *_order_notes(declaration, inferred.schema),
            *method_notes(declaration, inferred.schema, folder),
            *hidden_notes(declaration.monitor.log, beside),
            *beside_notes(declaration.monitor.log, beside),
        ],
        leaks=leaks(frame, inferred.schema, parts),
    )


def method_notes(declaration: Declaration, schema: Schema, folder: Path) -> list[str]:
    """Which algorithms the method of updating is not sound for."""
    policy, searched = declaration.update, declaration.train.search.asked
    names = declaration.train.candidates or default_candidates(schema.task, searched)
    return check_sound(
        policy,
        [
            About(
                task=schema.task,
                algorithm=name,
                choice=Choice(policy.method, policy.window, policy.search),
                metric=metric_of(declaration.evaluate, schema).name,
                timed=schema.time is not None,
                identified=schema.id is not None,
                stays=stays(declaration.data, folder),
            )
            for name in names
        ],
    )


def _device_notes(declaration: Declaration) -> list[str]:
    """That the device asked for is not here; elsewhere it may be."""
    if declaration.train.device in ("auto", "cpu") or not has_module("torch"):
        return []
    # Seconds of import, which only a loop that names a device has to wait for.
    device = importlib.import_module("everloop.train.torch.device")
    try:
        device.choose(declaration.train.device)
    except InvalidInput as error:
        return [error.message]
    return []


def _space_notes(declaration: Declaration) -> list[str]:
    """Which ranges only updates search; where these do not either, they are refused."""
    train = declaration.train
    if train.search.asked:
        return []
    warm = declaration.update.search == "warm"
    when = "until an update searches" if warm else "as trials = 0 says"
    return [
        f"{field}: nothing is searched {when}; the algorithm's own value is taken, brought into it."
        for field, _ in ranges(train.space)
    ]


def _order_notes(declaration: Declaration, schema: Schema) -> list[str]:
    """Which candidates learn event by event while nothing says in which order events came."""
    if schema.time is not None:
        return []
    named = [name for name in declaration.train.candidates if ":" not in name]
    return [
        f"{name} learns one row after another, and no data.time says in which order they came: it "
        "learns them as the source has them."
        for name in named
        if find_candidate(name).ordered
    ]


def _check_validation(train: pl.DataFrame, schema: Schema, declaration: Declaration) -> None:
    if schema.task == "policy":
        return
    known = known_of([train], schema, declaration)
    check_validation_parts(encode_target(train, schema), schema, declaration, known)


def schema_of_data(folder: Path) -> Schema:
    """The schema of a loop's data, inferred or pinned. Raises as :func:`check`."""
    declaration, frame, _ = _looked_at(folder)
    tokens = declaration.train.prepare.tokens
    return infer_declared(frame, declaration.data, folder, tokens).schema


def _looked_at(folder: Path) -> tuple[Declaration, pl.DataFrame, int]:
    """What is declared, its rows or a sample of them, and how many there are."""
    file = load_file(folder / FILE_NAME)
    data, seed = file.declaration.data, file.declaration.loop.seed
    return file.declaration, *bounded(data, folder, seed, file.settings.memory_bytes)


def _sampled(looked_at: int, rows: int) -> list[str]:
    if looked_at == rows:
        return []
    return [f"The rows stay where they are; {looked_at:,} of {rows:,} were looked at."]


def write_schema(schema: Schema, path: Path) -> None:
    """Write a schema to a file that ``data.schema`` may name."""
    replace_file(path, schema_text(schema).encode())


def check_words(declaration: Declaration, task: Task | None = None) -> None:
    """Names of candidates, metrics, gates and triggers, and what contradicts each other."""
    check_train(declaration.train, task)
    check_evaluate(declaration.evaluate, task)
    check_update(declaration.update, has_fingerprint(declaration.data))
    check_together(declaration, task)
