"""What a package says of the rows that trained and tested it.

Of the training rows their profile, and a few that explanations hold against; of the held-out rows
what the model answered, and what scores are estimated by before labels come. It is made where the
rows are at hand and kept by content.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from everloop.data.encode import encode, encode_target
from everloop.data.schema import Schema
from everloop.deploy.attribution import BACKGROUND, BACKGROUND_ROWS, background_rows
from everloop.evaluate.answers import Answers
from everloop.loop.evaluating import REFERENCE
from everloop.monitor.estimation.estimate import AUTO
from everloop.monitor.estimation.heldout import HELD_OUT, hold
from everloop.monitor.profile import Profile, label_counts, profile, sketch_answers
from everloop.store.blobs import Blobs

ANSWERS = "answers.json"  # a profile of nothing but the answers; no file of the package


def keep_reference(blobs: Blobs, rows: pl.DataFrame, schema: Schema) -> dict[str, str]:
    """The files of the package that are about the training ``rows``: names to digests."""
    files = {REFERENCE: profile(rows, schema).to_json()}
    if rows.height and set(schema.names) <= set(rows.columns):  # a policy has no rows
        some = rows.sample(min(BACKGROUND_ROWS, rows.height), seed=0)
        files[BACKGROUND] = background_rows(encode(some, schema))
    return {name: blobs.put(data) for name, data in files.items()}


def keep_answers(
    blobs: Blobs, rows: pl.DataFrame, schema: Schema, answers: Answers
) -> dict[str, str]:
    """The same about the held-out ``rows``, which the model that gave ``answers`` never saw."""
    shown = answers.pred.astype(np.float64)
    if schema.task == "multilabel":
        shown = label_counts(shown)
    if schema.task == "binary" and answers.proba is not None:
        shown = answers.proba[:, -1].astype(np.float64)
    files = {ANSWERS: Profile(rows.height, {}, sketch_answers(shown, schema)).to_json()}
    if schema.task in AUTO:  # a score can be estimated before labels come
        held = hold(rows, schema, encode_target(rows, schema), answers.pred, answers.proba)
        files[HELD_OUT] = held.to_bytes()
    return {name: blobs.put(data) for name, data in files.items()}
