"""Which runs and logged models the registered versions still read their files from."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlalchemy as sa

from everloop.store.tables import model_versions


def read_by_versions(conn: sa.Connection, places: Collection[str]) -> set[str]:
    """Those of the places that a version's files lie in.

    A place is the URI of a run's or of a logged model's artifacts. Versions may name it, something
    inside it, or its run or model as ``runs:/ID/…`` and ``models:/ID``.
    """
    by_owner = {owner(place): place for place in places}
    wanted = {place.rstrip("/"): place for place in places}
    found: set[str] = set()
    columns = (model_versions.c.source, model_versions.c.location, model_versions.c.logged_model)
    for source, location, model in conn.execute(
        sa.select(*columns).execution_options(yield_per=500)
    ):
        for uri in (source, location):
            for above in _upwards(uri or ""):
                found.update({wanted[above]} if above in wanted else ())
        for name in (_named(source or ""), _named(location or ""), model):
            found.update({by_owner[name]} if name in by_owner else ())
    return found


def owner(place: str) -> str:
    """The id of the run or the logged model that a place is of: it stands last, or before it."""
    parts = place.rstrip("/").split("/")
    return parts[-2] if parts[-1] == "artifacts" and len(parts) > 1 else parts[-1]


def _named(uri: str) -> str | None:
    scheme, _, rest = uri.partition(":/")
    return rest.strip("/").split("/")[0] if scheme in ("runs", "models") else None


def _upwards(uri: str) -> Iterator[str]:
    uri = uri.rstrip("/")
    while uri:
        yield uri
        uri = uri.rpartition("/")[0]
