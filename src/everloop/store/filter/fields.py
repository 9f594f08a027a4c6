"""What may be searched for: a description that each searchable thing gives of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from everloop.store.filter.nodes import Operator

NUMERIC: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")
TEXT: tuple[Operator, ...] = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
NULLABLE_TEXT: tuple[Operator, ...] = (*TEXT, "IS NULL", "IS NOT NULL")


@dataclass(frozen=True)
class Field:
    """One field, or all the fields of an entity whose keys are free.

    Parameters
    ----------
    kind : ``number`` is compared with numbers, ``text`` with quoted text.
    operators : those that may be used.
    sortable : whether an order may name it.
    quoted : whether a number may be written in quotes.
    """

    kind: Literal["number", "text"] = "text"
    operators: tuple[Operator, ...] = TEXT
    sortable: bool = True
    quoted: bool = False


@dataclass(frozen=True)
class Entity:
    """What stands before the dot, as ``metrics`` in ``metrics.loss``.

    Parameters
    ----------
    name : its name in the parsed filter.
    words : how a filter may spell it.
    fields : its fields by key, or one field when any key may be asked for.
    aliases : other spellings of keys.
    """

    name: str
    words: tuple[str, ...]
    fields: Mapping[str, Field] | Field
    aliases: Mapping[str, str] = field(default_factory=dict)

    def find(self, key: str) -> tuple[str, Field] | None:
        """The key's own spelling and its field; None when there is none."""
        if isinstance(self.fields, Field):
            return key, self.fields
        key = self.aliases.get(key, key)
        found = self.fields.get(key)
        return None if found is None else (key, found)

    @property
    def keys(self) -> list[str]:
        """The keys that there are; none when any may be asked for."""
        return [] if isinstance(self.fields, Field) else sorted(self.fields)

    @property
    def sortable(self) -> list[str]:
        """Those of the keys that an order may name."""
        if isinstance(self.fields, Field):
            return []
        return sorted(key for key, field in self.fields.items() if field.sortable)


@dataclass(frozen=True)
class Fields:
    """Everything that may be searched for. ``bare`` is the entity of a key without a dot."""

    entities: tuple[Entity, ...]
    bare: str = "attribute"

    def entity(self, word: str | None) -> Entity | None:
        """The entity of this spelling; None is that of a key without a dot."""
        for entity in self.entities:
            if entity.name == self.bare if word is None else word in entity.words:
                return entity
        return None
