"""Which data and models a run used, and which models it made.

A dataset is known within its experiment by name and digest; what it looks like (its source, schema
and profile) is kept once, as it was first told. Telling the same use again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import TooLarge
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore, serialise, upsert
from everloop.store.filter.sql import id_list
from everloop.store.tables import run_datasets, run_inputs, run_models
from everloop.tracking.checks import check_key, check_text
from everloop.tracking.of_runs import OfRuns
from everloop.tracking.points import check_step
from everloop.tracking.records import CONTEXT, DatasetSummary, DatasetUse, ModelUse, Run, RunInputs
from everloop.tracking.runs import active

MAX_USES = 10_000
"""Most datasets or models told at once."""

MAX_SUMMARIES = 1000

NAME, DIGEST, SOURCE_TYPE = 500, 36, 36  # characters
SOURCE, SCHEMA, PROFILE = 65_535, 1_048_575, 16_777_215
TAG_KEY, TAG_VALUE = 255, 500
MODEL_ID = 64

_DATASET = insert_or_ignore(run_datasets)
_USE = insert_or_ignore(run_inputs)
_MODEL = upsert(run_models, ["run", "kind", "model"], ["step"])
_DESCRIBED = [one.name for one in run_datasets.c if one.name not in ("id", "experiment")]
_USES = OfRuns(
    sa.select(
        run_inputs.c.run, run_inputs.c.tags, *(run_datasets.c[one] for one in _DESCRIBED)
    ).join_from(run_inputs, run_datasets, run_inputs.c.dataset == run_datasets.c.id),
    run_inputs.c.run,
    run_datasets.c.id,
)
_MODELS = OfRuns(sa.select(run_models), run_models.c.run, run_models.c.kind, run_models.c.model)


class InputStore:
    """The inputs and outputs of the runs in ``db``."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def log_inputs(
        self, run: str, datasets: Sequence[DatasetUse] = (), models: Sequence[ModelUse] = ()
    ) -> None:
        """Keep what a run read: all of it, or nothing.

        A dataset that the run has already keeps the tags it was first told with. Raises
        :class:`~everloop.errors.Conflict` ``run_deleted`` as every write to a deleted run does.
        """
        _check_count("datasets", datasets)
        wanted: dict[tuple[str, str], DatasetUse] = {}
        for use in datasets:
            wanted.setdefault((use.name, use.digest), use)
        rows = [_dataset_row(use) for use in wanted.values()]
        with self.db.write() as conn:
            row = active(conn, run)
            if rows:
                _keep_datasets(conn, row.number, row.experiment, rows)
            _keep_models(conn, row.number, "input", models)

    def log_outputs(self, run: str, models: Sequence[ModelUse]) -> None:
        """Keep what a run made; told again, a model has the last step it was told with."""
        with self.db.write() as conn:
            _keep_models(conn, active(conn, run).number, "output", models)

    def of(self, found: Sequence[Run]) -> dict[str, RunInputs]:
        """What each of the runs used and made, by the run's id."""
        if not found:
            return {}
        with self.db.read() as conn:
            used = inputs_of(conn, [run.number for run in found])
        return {run.id: used[run.number] for run in found}

    def datasets(
        self, experiments: Sequence[int], limit: int = MAX_SUMMARIES
    ) -> list[DatasetSummary]:
        """The datasets of some experiments, once for each context they were used in."""
        d = run_datasets.c
        query = (
            sa.select(d.id, d.experiment, d.name, d.digest, run_inputs.c.tags)
            .join_from(run_datasets, run_inputs, run_inputs.c.dataset == d.id)
            .where(d.experiment.in_(id_list(experiments)))
            .distinct()
            .order_by(d.id)
        )
        found: dict[DatasetSummary, None] = {}
        with self.db.read() as conn:
            for row in conn.execute(query):
                context = _tags(row.tags).get(CONTEXT)
                found[DatasetSummary(row.experiment, row.name, row.digest, context)] = None
                if len(found) == limit:
                    break
        return list(found)


def inputs_of(conn: sa.Connection, numbers: Sequence[int]) -> dict[int, RunInputs]:
    """What runs used and made, by their numbers: two queries, however many runs."""
    found = {number: RunInputs([], []) for number in numbers}
    for run, tags, *columns in _USES.read(conn, numbers):
        used = dict(zip(_DESCRIBED, columns, strict=True))
        found[run].datasets.append(DatasetUse(**used, tags=_tags(tags)))
    for run, kind, model, step in _MODELS.read(conn, numbers):
        found[run].models.append(ModelUse(model=model, kind=kind, step=step))
    return found


def _keep_datasets(
    conn: sa.Connection, run: int, experiment: int, rows: list[dict[str, Any]]
) -> None:
    """Keep them in their order, which is that of the ids and so the one they are read in."""
    serialise(conn, f"datasets of {experiment}")  # two callers with the same ones in two orders
    conn.execute(_DATASET, [{**row, "experiment": experiment} for row in rows])
    d = run_datasets.c
    query = sa.select(d.id, d.name, d.digest).where(
        (d.experiment == experiment)
        & d.name.in_({row["name"] for row in rows})
        & d.digest.in_({row["digest"] for row in rows})
    )
    ids = {(row.name, row.digest): row.id for row in conn.execute(query)}
    uses = [
        {"run": run, "dataset": ids[row["name"], row["digest"]], "tags": row["tags"]}
        for row in rows
    ]
    conn.execute(_USE, uses)


def _keep_models(conn: sa.Connection, run: int, kind: str, models: Sequence[ModelUse]) -> None:
    _check_count("models", models)
    steps = {check_key("model", use.model, MODEL_ID): check_step(use.step) for use in models}
    rows = [
        {"run": run, "kind": kind, "model": model, "step": steps[model]} for model in sorted(steps)
    ]
    if rows:
        conn.execute(_MODEL, rows)


def _dataset_row(use: DatasetUse) -> dict[str, Any]:
    """A dataset as a row of ``run_datasets``, and the tags of its use."""
    tags = {
        check_key("dataset.tags", key, TAG_KEY): check_text(f"dataset.tags.{key}", value, TAG_VALUE)
        for key, value in use.tags.items()
    }
    return {
        "name": check_key("dataset.name", use.name, NAME),
        "digest": check_key("dataset.digest", use.digest, DIGEST),
        "source_type": check_text("dataset.source_type", use.source_type, SOURCE_TYPE),
        "source": check_text("dataset.source", use.source, SOURCE),
        "schema": _optional("dataset.schema", use.schema, SCHEMA),
        "profile": _optional("dataset.profile", use.profile, PROFILE),
        "tags": msgspec.json.encode(tags).decode(),
    }


def _optional(field: str, text: str | None, limit: int) -> str | None:
    return None if text is None else check_text(field, text, limit)


def _tags(text: str) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])


def _check_count(field: str, uses: Iterable[Any]) -> None:
    count = len(list(uses))
    if count > MAX_USES:
        raise TooLarge(
            f"{field}: got {count} at once, expected at most {MAX_USES}.",
            path=field,
            got=count,
            expected=f"at most {MAX_USES}",
        )
