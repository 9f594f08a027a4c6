"""Snapshot: the data of this cycle, gathered, checked and frozen under its content's hash."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.columns import as_instant
from everloop.data.declared import infer_declared, read_declared, with_target
from everloop.data.leaks import leaks
from everloop.data.merge import newer_over
from everloop.data.schema import Schema
from everloop.data.sources import read_table
from everloop.data.sources.fingerprint import fingerprint, has_fingerprint
from everloop.data.spec import DataSpec
from everloop.data.splits import Split, millis
from everloop.data.streams.staying import stays
from everloop.errors import invalid
from everloop.evaluate.gates import check_spec as check_evaluate
from everloop.evaluate.gates.check import looked_at, with_beside
from everloop.loop.declaration import Declaration
from everloop.loop.dividing import as_known, divide, divide_new
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps._method import base_of, choice_of, instead, method_of, sound_method
from everloop.loop.steps._referenced import referred
from everloop.loop.steps._seen import change_of, recent_rows, unseen_rows
from everloop.loop.steps._units import refuse_other_units
from everloop.registry.models import ModelVersion
from everloop.update.methods import Choice
from everloop.update.windows import LEAST_ROWS, parse_window, windowed

MIN_HOLDOUT = 30  # fewer new rows than this are judged together with the old held-out rows


class Snapshot:
    """Gathers rows, infers their schema, stores them as a dataset version, and splits them.

    The rows are stored in the order of the split, the training rows first, so that "the first
    ``train_rows`` rows train" says all that later steps need.
    """

    name = "snapshot"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        if context.cycle.cause.get("source"):
            return _with_new_rows(context)
        if (other := instead(context, choice_of(context))) is not None:
            told = {"instead": msgspec.to_builtins(other)}
            again = replace(context, results={**context.results, "snapshot": told})
            done = self.run(again)
            return msgspec.structs.replace(done, result=done.result | told)
        sound_method(context, choice_of(context))  # what is not is refused before rows are read
        project, spec = context.project, context.declaration.data
        if stays(spec, project.dir, project.settings.memory_bytes):
            added, origin = _labelled(context, _origin(context))
            return referred(context, added, origin, lambda *known: _judged(context, *known))
        frame, origin = _gather(context)
        return _store(context, frame, origin)


STEP = Snapshot()


def _gather(context: StepContext) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The declared source, and the labelled predictions of the log on top of it."""
    spec, told = context.declaration.data, _origin(context)
    frame = read_declared(spec, context.project.dir, context.declaration.loop.seed)
    refuse_other_units(context, frame)  # those of the log were looked at window by window
    labelled, origin = _labelled(context, told)
    origin["source_rows"] = frame.height
    return (frame if labelled is None else newer_over(frame, labelled, spec.id)), origin


def _origin(context: StepContext) -> dict[str, Any]:
    """Where the rows come from. Taken before they are read: what changes meanwhile is new."""
    spec = context.declaration.data
    origin: dict[str, Any] = {"source": spec.source, "log_rows": 0}
    if spec.query is not None:
        origin["query"] = spec.query
    if has_fingerprint(spec):
        origin["fingerprint"] = fingerprint(spec.source, context.project.dir)
    return origin


def _labelled(
    context: StepContext, origin: dict[str, Any]
) -> tuple[pl.DataFrame | None, dict[str, Any]]:
    """Rows that the prediction log adds, if there are any, and where all rows come from."""
    project, spec = context.project, context.declaration.data
    champion = project.champion(context.declaration.name)
    if not spec.feedback or champion is None:
        return None, origin
    schema = project.package(champion)[1].schema
    endpoint = context.declaration.endpoint
    quarantined = project.windows.quarantined(endpoint)
    hidden = context.declaration.monitor.log.hidden
    labelled = project.log.labelled(endpoint, schema, exclude=quarantined, hidden=hidden)
    origin["log_rows"] = labelled.height
    origin["quarantined"] = [list(window) for window in quarantined]
    return (labelled if labelled.height else None), origin


def _store(context: StepContext, frame: pl.DataFrame, origin: dict[str, Any]) -> Outcome:
    declaration = context.declaration
    tokens = declaration.train.prepare.tokens
    choice = choice_of(context)
    method, base = method_of(choice), base_of(context, choice)
    inferred = infer_declared(frame, declaration.data, context.project.dir, tokens)
    schema, window = inferred.schema, None
    _judged(context, schema, frame.columns)  # refused before anything trains
    if method.keeps_schema and base is not None:
        schema = as_known(frame, context.project.package(base)[1].schema, schema)
    own = choice.name == "transfer" and choice.model in ("", declaration.name)
    if (method.learns_new or own) and base is not None:
        found = unseen_rows if own else recent_rows
        new = found(context.project, base, frame, schema)
        if int(new.sum()) < 2 * LEAST_ROWS:
            return Outcome({"origin": origin}, _too_few(choice, int(new.sum()), base.version))
        parts, note = divide_new(frame, schema, new, base.version), None
    else:
        window = _window(context, choice, base, frame, schema)
        parts, note = divide(frame, schema, _judged_within(declaration, window))
    notes = [*inferred.notes, *([note] if note else [])]
    rows = np.concatenate([parts.train, parts.test])
    in_order = np.array_equal(rows, np.arange(frame.height))
    ordered = frame if in_order else frame[rows]
    done = _freeze(context, ordered, schema, len(parts.train), parts.how, notes, origin)
    return done if window is None else Outcome(done.result | {"window": window})


def _window(
    context: StepContext,
    choice: Choice,
    base: ModelVersion | None,
    frame: pl.DataFrame,
    schema: Schema,
) -> dict[str, Any] | None:
    """Where the rows of the choice's window begin (ms), and the share of all rows they are."""
    window = parse_window(choice.window)
    if window.kind in ("all", "decay") or schema.time is None or base is None:
        return None
    times = millis(frame, schema.time)
    changed = change_of(context, base, frame, schema) if window.kind == "change" else None
    since = windowed(window, times, frame.height, changed).since
    share = 1.0 if since is None else float((times >= since).mean())
    return {"since": since, "share": share}


def _judged_within(declaration: Declaration, window: dict[str, Any] | None) -> Declaration:
    """A share that is held out is one of the window's rows: else the newest ones, which it is
    about, would all judge and none would teach."""
    held = declaration.evaluate.holdout
    if window is None or isinstance(held, str):
        return declaration
    evaluate = msgspec.structs.replace(declaration.evaluate, holdout=held * window["share"])
    return msgspec.structs.replace(declaration, evaluate=evaluate)


def _too_few(choice: Choice, rows: int, version: int) -> End:
    reason = (
        f"{choice.name} learns from labelled rows that version {version} has not seen, and is "
        f"judged by as many: {rows:,} there are, {2 * LEAST_ROWS} are needed."
    )
    return End("not_worth_it", reason)


def _freeze(
    context: StepContext,
    frame: pl.DataFrame,
    schema: Schema,
    train_rows: int,
    how: str,
    notes: list[str],
    origin: dict[str, Any],
) -> Outcome:
    rows, project = np.arange(frame.height), context.project
    schema = with_beside(schema, context.declaration.evaluate)
    kept = frame.select(_kept(context, frame, schema))
    with ThreadPoolExecutor(1) as beside:  # writing waits for the disk
        written = beside.submit(
            project.datasets.snapshot, kept, context.declaration.name, schema, origin
        )
        found = leaks(frame, schema, Split(rows[:train_rows], rows[train_rows:], how))
        version = written.result()
    return Outcome(
        {
            "dataset": version.digest,
            "rows": frame.height,
            "train_rows": train_rows,
            "test_rows": frame.height - train_rows,
            "split": how,
            "until": _until(context, frame, schema),
            "schema": msgspec.to_builtins(schema),
            "notes": [*notes, *(f"{leak.level}: {leak.sentence}" for leak in found)],
            "leaks": msgspec.to_builtins(found),
            "origin": origin,
        }
    )


def _kept(context: StepContext, frame: pl.DataFrame, schema: Schema) -> list[str]:
    """What the model reads, what names a row, and the columns that gates judge it by.

    A protected attribute is often ignored by the model and still judged.
    """
    spec = context.declaration.evaluate
    wanted = [*schema.names, *schema.keys, spec.group_by, *looked_at(spec, schema.task)]
    return [column for column in dict.fromkeys(wanted) if column in frame.columns]


def _judged(context: StepContext, schema: Schema, columns: Sequence[str]) -> list[str]:
    """What gates and the report judge by. Raises InvalidInput for what is not in the data."""
    check_evaluate(context.declaration.evaluate, schema.task, columns, schema)
    return looked_at(context.declaration.evaluate, schema.task)


def _until(context: StepContext, frame: pl.DataFrame, schema: Schema) -> int:
    """The newest event time in the data, ms; without a time, when the cycle began."""
    if schema.time is None:
        return context.cycle.started
    newest = as_instant(frame[schema.time]).dt.epoch("ms").max()
    return int(newest)  # type: ignore[arg-type]


def _with_new_rows(context: StepContext) -> Outcome:
    """The champion's data and new rows of a file; judged on rows that neither model has seen."""
    project, declaration = context.project, context.declaration
    source = str(context.cycle.cause["source"])
    champion = project.champion(declaration.name)
    if champion is None or champion.dataset is None:
        raise invalid(
            "model",
            declaration.name,
            "a registered champion to update",
            fix="everloop train DATA.csv makes one.",
        )
    if project.datasets.get(champion.dataset).reference is not None:
        raise invalid(
            "data",
            source,
            "a champion whose rows are kept, but those of this one stay where they are",
            fix="Let data.source name the new file too, as a pattern, and run everloop run.",
            code="not_kept",
        )
    old = project.datasets.load(champion.dataset)
    old_train = _trained_rows(context, champion.cycle)
    new = with_target(read_table(source, project.dir), declaration.data)
    missing = [c for c in old.columns if c not in new.columns]
    if missing:
        raise invalid(
            f"{source}: columns",
            missing,
            f"the columns of {declaration.data.source}",
            code="missing_column",
        )
    spec = _about(old, declaration.data)
    tokens = declaration.train.prepare.tokens
    infer_declared(new, spec, project.dir, tokens)  # the new rows must be sound on their own
    refuse_other_units(context, new)
    new = _aligned(new, old).join(old, on=old.columns, how="anti", nulls_equal=True)
    origin = {"base": champion.dataset, "source": source, "new_rows": new.height}
    if new.height == 0:
        reason = f"{source} holds no row that version {champion.version} has not seen."
        return Outcome({"origin": origin}, End("not_worth_it", reason))
    seen, unseen = old.head(old_train), old.tail(old.height - old_train)
    tested = max(1, round(new.height * 0.2))
    test = new.tail(tested)
    train = pl.concat([old, new.head(new.height - tested)])
    how = f"the last {tested} of {new.height} new rows test, all others train"
    if tested < MIN_HOLDOUT:
        test = pl.concat([unseen, test])
        train = pl.concat([seen, new.head(new.height - tested)])
        how = (
            f"the {unseen.height} old test rows and the last {tested} of {new.height} new rows test"
        )
    frame = pl.concat([train, test])
    inferred = infer_declared(frame, spec, project.dir, tokens)
    return _freeze(context, frame, inferred.schema, train.height, how, inferred.notes, origin)


def _trained_rows(context: StepContext, cycle: str | None) -> int:
    step = context.project.cycles.step(cycle or "", "snapshot")
    return int((step.result or {})["train_rows"]) if step is not None else 0


def _about(old: pl.DataFrame, spec: DataSpec) -> DataSpec:
    """What is declared of the columns that snapshots keep; those that are ignored they do not."""
    return msgspec.structs.replace(spec, ignore=tuple(c for c in spec.ignore if c in old.columns))


def _aligned(new: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    try:
        return new.select(pl.col(c).cast(t) for c, t in old.schema.items())
    except pl.exceptions.PolarsError:
        got = {c: str(new.schema[c]) for c, t in old.schema.items() if new.schema[c] != t}
        wanted = ", ".join(f"{c} {old.schema[c]}" for c in got)
        raise invalid("columns", got, f"the types of the data before: {wanted}") from None
