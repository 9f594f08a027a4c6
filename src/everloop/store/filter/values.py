"""The right side of a comparison, and whether its operator fits the left side."""

from __future__ import annotations

import math

from everloop.errors import InvalidInput
from everloop.store.filter.fields import Entity, Field
from everloop.store.filter.refusal import bad_filter
from everloop.store.filter.tokens import Token

LONGEST_PATTERN = 5000
"""Characters of a pattern of ``LIKE``; SQLite takes no more than 50,000 bytes."""


def check_operator(entity: Entity, key: str, field: Field, operator: str, at: int) -> None:
    """Refuse an operator that the field does not have."""
    if operator not in field.operators:
        known = ", ".join(repr(one) for one in field.operators)
        raise bad_filter(
            f"Invalid comparator '{operator[:20]}' not one of [{known}] "
            f"for {entity.name} {key[:80]!r}",
            at,
        )


def read_value(
    entity: Entity, key: str, field: Field, operator: str, token: Token
) -> str | int | float:
    """The value that a token stands for, of the field's kind."""
    if field.kind == "number":
        return _number(entity, key, field, token)
    if token.kind == "number":
        what = {"attribute": "attributes", "dataset": "dataset attributes"}.get(entity.name)
        what = what or f"{entity.name} (e.g. 'my-value')"
        raise bad_filter(
            f"Expected a quoted string value for {what}. Got value {token.raw[:80]}", token.at
        )
    if token.kind != "text":
        raise bad_filter(
            "Parameter value is either not quoted or unidentified quote types used for string "
            f"value {token.raw[:80]}. Use either single or double quotes.",
            token.at,
        )
    if operator in ("LIKE", "ILIKE") and len(token.value) > LONGEST_PATTERN:
        raise bad_filter(f"A pattern has more than {LONGEST_PATTERN} characters.", token.at)
    return token.value


def _number(entity: Entity, key: str, field: Field, token: Token) -> int | float:
    text = token.value if token.kind == "text" and field.quoted else token.raw
    if token.kind != "number" and not (token.kind == "text" and field.quoted):
        raise not_a_number(entity, key, token.raw, token.at)
    try:
        number = float(text)
    except ValueError:
        raise not_a_number(entity, key, token.raw, token.at) from None
    if math.isnan(number):
        raise not_a_number(entity, key, token.raw, token.at)
    digits = text.lstrip("+-")
    # What no column of 64 bits holds is compared as a real number.
    return int(text) if digits.isdecimal() and abs(number) < 2**63 else number


def not_a_number(entity: Entity, key: str, shown: str, at: int) -> InvalidInput:
    """The refusal of something that is not a number."""
    if entity.name == "metric":
        return bad_filter(f"Expected numeric value type for metric. Found {shown[:80]}", at)
    return bad_filter(
        f"Expected numeric value type for numeric attribute: {key[:80]}. Found {shown[:80]}", at
    )
