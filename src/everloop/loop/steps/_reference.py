"""What serving needs of the training rows: their profile, and a few that explanations hold against.

It is made where the rows are at hand and kept by content; the package of the version gets it.
"""

from __future__ import annotations

import polars as pl

from everloop.data.encode import encode
from everloop.data.schema import Schema
from everloop.deploy.attribution import BACKGROUND, BACKGROUND_ROWS, background_rows
from everloop.loop.watching import REFERENCE
from everloop.monitor.profile import profile
from everloop.store.blobs import Blobs


def keep_reference(blobs: Blobs, rows: pl.DataFrame, schema: Schema) -> dict[str, str]:
    """The files of the package that are about the training ``rows``: names to digests."""
    files = {REFERENCE: profile(rows, schema).to_json()}
    if rows.height and set(schema.names) <= set(rows.columns):  # a policy has no rows
        some = rows.sample(min(BACKGROUND_ROWS, rows.height), seed=0)
        files[BACKGROUND] = background_rows(encode(some, schema))
    return {name: blobs.put(data) for name, data in files.items()}
