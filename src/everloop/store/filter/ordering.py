"""Reading an order: ``metrics.loss DESC``, ``params."a b"``, ``start_time ASC``."""

from __future__ import annotations

from collections.abc import Sequence

from everloop.errors import InvalidInput
from everloop.store.filter.fields import Fields
from everloop.store.filter.nodes import Order
from everloop.store.filter.parser import find_field
from everloop.store.filter.refusal import bad_order, check_text
from everloop.store.filter.tokens import tokens

LONGEST = 1000
"""Characters of one sort key."""
MOST = 10
"""Sort keys."""


def parse_order(clauses: Sequence[str] | None, fields: Fields) -> list[Order]:
    """What a list of sort keys says, the first one first.

    Raises :class:`~everloop.errors.InvalidInput` ``bad_order_by``.
    """
    if clauses is None:
        return []
    if len(clauses) > MOST:
        raise bad_order(f"order_by: got {len(clauses)} sort keys, expected at most {MOST}.")
    found = [_parse(clause, fields) for clause in clauses]
    if len({(one.entity, one.key) for one in found}) < len(found):
        raise bad_order(f"`order_by` contains duplicate fields: {[c[:80] for c in clauses]}")
    return found


def _parse(clause: str, fields: Fields) -> Order:
    check_text("order_by", clause, LONGEST)
    shown = clause if len(clause) <= 80 else clause[:79] + "…"
    name, *rest = tokens(clause)
    named = name.kind in ("name", "word") or name.raw.startswith('"')
    if not named or len(rest) > 2 or any(one.kind not in ("word", "end") for one in rest):
        raise bad_order(f"Invalid order_by clause '{shown}'. Could not be parsed.", got=clause)
    direction = rest[0].raw.lower()
    if direction not in ("asc", "desc", ""):
        raise bad_order(f"Invalid ordering key in order_by clause '{shown}'.", got=clause)
    try:
        entity, key, field = find_field(name, fields)
    except InvalidInput as error:
        raise bad_order(error.message, got=clause) from None
    if not field.sortable and entity.sortable:
        valid = entity.sortable
        raise bad_order(
            f"Invalid attribute key '{key}' specified. Valid keys are {valid}", got=clause
        )
    if not field.sortable:
        raise bad_order(f"Invalid identifier type '{entity.name}' in order_by clause '{shown}'.")
    return Order(entity.name, key, direction == "desc")
