"""The last fit of a cycle whose rows stay where they are: on all of them, in passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from everloop.data.encode import Examples, encode, encode_target
from everloop.data.references import BLOCK, Reference
from everloop.data.schema import Schema
from everloop.data.streams.dividing import cut_at_blocks
from everloop.data.streams.staying import declared_table
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._challenger import schema_of
from everloop.loop.steps._referenced import with_added
from everloop.memory import available_bytes
from everloop.train.check import find_candidate
from everloop.train.fit import Fitted
from everloop.train.streaming import Rows, fit_stream

BESIDE = 1_000_000_000  # bytes that libraries, the sample and batches take beside a fit's rows


def on_all_rows(
    context: StepContext, best: Fitted, sample: Examples, checkpoints: Path | None
) -> tuple[Fitted, dict[str, Any]]:
    """``best`` with its model fitted on all training rows, and what to record of it.

    A snapshot that holds its rows was fitted on all of them already. In ``checkpoints`` a long fit
    finds what it had done before a crash. Raises
    :class:`~everloop.errors.Conflict` when the rows are not what they were.
    """
    digest = str(context.results["snapshot"]["dataset"])
    reference = context.project.datasets.get(digest).reference
    if reference is None:
        return best, {}
    settings, schema = context.project.settings, schema_of(context)
    memory = settings.memory_bytes or available_bytes()
    room = max(memory / 4, 0.8 * (memory - BESIDE))
    context.report("streaming", {"candidate": best.name, "rows": reference.train_rows})
    done = fit_stream(
        best.estimator,
        sample,
        _rows(context, digest, reference, schema),
        schema,
        int(room),
        find_candidate(best.name).scales_target,
        checkpoints,
    )
    note = f"{best.name} was fitted on all {done.rows:,} training rows: {done.how}."
    if done.rows < reference.train_rows:
        note = (
            f"{best.name} was fitted on a sample of {done.rows:,} of {reference.train_rows:,} "
            f"training rows: {done.how}."
        )
    facts = {"rows": done.rows, "of": reference.train_rows, "note": note}
    return replace(best, estimator=done.estimator), {"streamed": facts}


def _rows(context: StepContext, digest: str, reference: Reference, schema: Schema) -> Rows:
    """The training rows, read from where they are for each pass."""
    spec, datasets = context.declaration.data, context.project.datasets
    table = declared_table(spec, context.project.dir)
    kept = reference.kept_train + reference.kept_test
    added = datasets.load(digest, kept, reference.added) if reference.added else None

    def read(wanted: range) -> Iterator[Examples]:
        at = 0
        batches = table.batches(reference.parts, reference.whole)
        for batch in with_added(batches, added, spec.id):
            for first, last in cut_at_blocks(at, batch.height):
                block = (at + first) // BLOCK - wanted.start
                if block >= 0 and block % wanted.step == 0:
                    piece = batch[first:last]
                    piece = piece.filter(reference.rule.sides(piece, schema, at + first)[0])
                    if piece.height:
                        yield Examples(encode(piece, schema), encode_target(piece, schema))
            at += batch.height

    return Rows(read, reference.blocks, reference.ordered)
