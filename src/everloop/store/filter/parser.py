"""Reading a filter: ``metrics.loss < 0.1 AND (params.model = 'a' OR tags.team IN ('x', 'y'))``.

The grammar is that of MLflow's search filters and beyond it has ``OR``, ``NOT``, parentheses and
``IN`` for all text. ``NOT`` binds closest, then ``AND``, then ``OR``. A quoted text is taken as it
stands between its quotes. Where a refusal is known to MLflow's users it has MLflow's words.
"""

from __future__ import annotations

from typing import Any, cast

from everloop.errors import InvalidInput
from everloop.store.filter.fields import Entity, Field, Fields
from everloop.store.filter.nodes import And, Comparison, Expression, Not, Operator, Or
from everloop.store.filter.refusal import bad_filter, check_text
from everloop.store.filter.tokens import Token, tokens
from everloop.store.filter.values import check_operator, not_a_number, read_value

LONGEST = 200_000
"""Characters of a filter."""
DEEPEST = 50
"""Levels of parentheses and ``NOT``."""
MOST = 200
"""Comparisons in a filter."""
MOST_VALUES = 10_000
"""Values in all its lists."""

_RESERVED = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "TRUE", "FALSE"})


def parse_filter(text: str | None, fields: Fields) -> Expression | None:
    """What a filter says; None when it is empty.

    Raises :class:`~everloop.errors.InvalidInput` ``bad_filter`` with the position.
    """
    if text is None or not text.strip():
        return None
    check_text("filter", text, LONGEST)
    return _Parser(text, fields).whole()


class _Parser:
    def __init__(self, text: str, fields: Fields) -> None:
        self._text = text
        self._fields = fields
        self._tokens = tokens(text)  # read as far as needed: a refusal costs what came before it
        self._ahead = self._last = next(self._tokens)
        self._comparisons = 0
        self._values = 0

    def whole(self) -> Expression:
        found = self._alternatives(0)
        token = self._peek()
        if token.raw == ";":
            while self._take_sign(";"):
                pass
            if self._peek().kind != "end":
                raise bad_filter(
                    f"Search filter contained multiple expression {self._text[:200]!r}. "
                    "Provide AND-ed expression list.",
                    token.at,
                )
        if self._peek().kind != "end":
            raise self._invalid(self._peek())
        return found

    # -- and, or, not ----------------------------------------------------------------------------

    def _alternatives(self, depth: int) -> Expression:
        found = [self._together(depth)]
        while self._take_word("OR"):
            found.append(self._together(depth))
        return found[0] if len(found) == 1 else Or(_flat(found, Or))

    def _together(self, depth: int) -> Expression:
        found = [self._one(depth)]
        while self._take_word("AND"):
            found.append(self._one(depth))
        return found[0] if len(found) == 1 else And(_flat(found, And))

    def _one(self, depth: int) -> Expression:
        token = self._peek()
        if depth > DEEPEST:
            raise bad_filter(f"The filter nests more than {DEEPEST} levels deep.", token.at)
        if self._take_word("NOT"):
            return Not(self._one(depth + 1))
        if self._take_sign("("):
            found = self._alternatives(depth + 1)
            if not self._take_sign(")"):
                raise self._invalid(self._peek(), token)
            return found
        return self._comparison()

    # -- one comparison --------------------------------------------------------------------------

    def _comparison(self) -> Comparison:
        left = self._take()
        self._comparisons += 1
        if self._comparisons > MOST:
            raise bad_filter(f"The filter has more than {MOST} comparisons.", left.at)
        if left.kind in ("junk", "end", "sign") or left.raw.upper() in _RESERVED:
            raise self._invalid(left)
        operator = self._operator(left)
        right: list[Token] = []
        if operator not in ("IS NULL", "IS NOT NULL"):
            right = self._list(left) if operator in ("IN", "NOT IN") else [self._value(left)]
        if left.kind not in ("name", "word") and not left.raw.startswith('"'):
            raise bad_filter(
                f"Invalid comparison clause. Expected 'Identifier' found {left.raw[:80]!r}", left.at
            )
        entity, key, field = find_field(left, self._fields)
        value = self._read(entity, key, field, operator, right, left)
        check_operator(entity, key, field, operator, left.at)
        return Comparison(entity.name, key, cast(Operator, operator), value)

    def _operator(self, left: Token) -> str:
        token = self._take()
        word = token.raw.upper() if token.kind == "word" else ""
        if token.kind == "operator":
            return token.raw
        if word in ("LIKE", "ILIKE", "IN"):
            return word
        if word == "NOT" and self._take_word("IN"):
            return "NOT IN"
        if word == "IS":
            negated = self._take_word("NOT")
            if self._take_word("NULL"):
                return "IS NOT NULL" if negated else "IS NULL"
        raise self._invalid(token, left)

    def _value(self, left: Token) -> Token:
        token = self._take()
        if token.kind in ("junk", "end", "operator") or token.raw in ("(", ")", ",", ";"):
            raise self._invalid(token, left)
        if token.kind == "word" and token.raw.upper() in _RESERVED:
            raise self._invalid(token, left)
        if token.kind in ("word", "name") and self._peek().kind == "junk":
            raise self._invalid(self._peek(), left)
        return token

    def _list(self, left: Token) -> list[Token]:
        opening = self._peek()
        if not self._take_sign("("):
            raise self._invalid(opening, left)
        problem = "While parsing a list in the query, expected "
        if self._take_sign(")"):
            raise bad_filter(
                f"{problem}a non-empty list of string values, but got empty list", opening.at
            )
        found = []
        while True:
            token = self._take()
            if token.kind not in ("text", "number"):
                break
            found.append(token)
            if self._take_sign(")"):
                break
            if not self._take_sign(","):
                token = self._peek()
                break
            if self._take_sign(")"):  # a comma behind the last value
                break
        if self._last.raw != ")":
            raise bad_filter(
                f"{problem}a non-empty list of string values, but got ill-formed list.", token.at
            )
        for token in found:
            if token.kind != "text":
                raise bad_filter(
                    f"{problem}string value, punctuation, or whitespace, "
                    f"but got different type in list: {token.raw[:80]}",
                    token.at,
                )
        self._values += len(found)
        if self._values > MOST_VALUES:
            raise bad_filter(f"The filter's lists have more than {MOST_VALUES} values.", opening.at)
        return found

    def _read(
        self,
        entity: Entity,
        key: str,
        field: Field,
        operator: str,
        right: list[Token],
        left: Token,
    ) -> Any:
        if operator in ("IS NULL", "IS NOT NULL"):
            if operator not in field.operators:
                named = sorted(e.words[-1] for e in self._fields.entities if _nullable(e))
                known = " and ".join(reversed(named))
                raise bad_filter(
                    "IS NULL / IS NOT NULL is only supported for "
                    f"{known}, not for {entity.name!r} {key!r}",
                    left.at,
                )
            return None
        if operator in ("IN", "NOT IN"):
            if field.kind == "number":
                shown = "(" + ", ".join(token.raw[:40] for token in right[:3]) + ")"
                raise not_a_number(entity, key, shown, right[0].at)
            return tuple(token.value for token in right)
        return read_value(entity, key, field, operator, right[0])

    # -- tokens ----------------------------------------------------------------------------------

    def _peek(self) -> Token:
        return self._ahead

    def _take(self) -> Token:
        self._last = self._ahead
        if self._last.kind != "end":
            self._ahead = next(self._tokens)
        return self._last

    def _take_word(self, word: str) -> bool:
        token = self._ahead
        if token.kind == "word" and token.raw.upper() == word:
            self._take()
            return True
        return False

    def _take_sign(self, sign: str) -> bool:
        if self._ahead.kind == "sign" and self._ahead.raw == sign:
            self._take()
            return True
        return False

    def _invalid(self, token: Token, since: Token | None = None) -> InvalidInput:
        start = token.at if since is None else since.at
        shown = self._text[start : token.at + len(token.raw)].strip()
        shown = shown if len(shown) <= 80 else shown[:79] + "…"
        what = repr(shown) if shown else "it ends too early"
        return bad_filter(f"Invalid clause(s) in filter string: {what}", token.at, got=shown)


def find_field(token: Token, fields: Fields) -> tuple[Entity, str, Field]:
    """The field that a name means; raises InvalidInput with the ones there are."""
    entity = fields.entity(token.entity)
    if entity is None:
        names = [one.name for one in fields.entities]
        raise bad_filter(
            f"Invalid entity type {token.entity!r:.80}. Valid values are {names}", token.at
        )
    found = entity.find(token.value)
    if found is None:
        raise bad_filter(
            f"Invalid {entity.name} key {token.value[:80]!r} specified. "
            f"Valid keys are {entity.keys}",
            token.at,
        )
    return entity, *found


def _flat(found: list[Expression], kind: type[And] | type[Or]) -> tuple[Expression, ...]:
    parts: list[Expression] = []
    for one in found:
        parts += one.operands if isinstance(one, kind) else [one]
    return tuple(parts)


def _nullable(entity: Entity) -> bool:
    fields = [entity.fields] if isinstance(entity.fields, Field) else entity.fields.values()
    return any("IS NULL" in field.operators for field in fields)
