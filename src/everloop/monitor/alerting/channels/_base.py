"""What a way to tell alerts must do.

A channel is a frozen struct whose fields are the keys of its table in the loop file; register it in
:data:`everloop.extensions.alert_channels`. :meth:`Channel.check` is called when a loop file is
read, and must not look anything up. :meth:`Channel.send` is called from several threads at once, in
the control plane; it takes at most some 20 seconds, and raises nothing that is the receiver's
fault. It may be called twice with the same ``delivery``, which the receiver must be told, so that
it can drop a repetition.

A text that begins with ``$`` names a variable of the environment, which is read when something is
sent: fields in ``secrets`` must be such, so that no secret is in a file, a database or a page.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from everloop.errors import InvalidInput, Unavailable, invalid, not_one_of
from everloop.extensions import alert_channels
from everloop.monitor.alerting.notice import Notice
from everloop.registry.webhooks.records import Outcome

VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


class Surroundings(msgspec.Struct, frozen=True):
    """Where a channel is used: the environment, the project's folder, and ``webhook_hosts``."""

    env: Mapping[str, str]
    folder: Path
    hosts: frozenset[str] = frozenset()

    def value(self, text: str) -> str:
        """A field's text, or what the variable that it names holds.

        Raises :class:`~everloop.errors.Unavailable` for a variable that is not set.
        """
        name = VARIABLE.fullmatch(text)
        if name is None:
            return text
        found = self.env.get(name[1], "")
        if not found:
            raise Unavailable(f"{text} is not set in the environment.", code="no_secret")
        return found


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place that alerts are told at."""

    secrets: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def send(self, notice: Notice, delivery: str, around: Surroundings) -> Outcome:
        """Tell it; ``delivery`` is the same for each attempt."""

    def check(self, path: str) -> None:
        """Raise InvalidInput for values that cannot work; ``path`` names the channel's table."""

    def hidden(self, outcome: Outcome, around: Surroundings) -> Outcome:
        """The outcome without what an error may have quoted of the environment."""
        error = outcome.error or ""
        for field in self.__struct_fields__:
            text = str(getattr(self, field))
            name = VARIABLE.fullmatch(text)
            held = around.env.get(name[1], "") if name else ""
            if held:
                error = error.replace(held, text)
        return msgspec.structs.replace(outcome, error=error or None, body="")


def channel_of(table: Mapping[str, Any], path: str) -> Channel:
    """The channel that a table of the loop file declares. Raises InvalidInput."""
    values = dict(table)
    kind = values.pop("kind", None)
    if not isinstance(kind, str):
        raise invalid(
            f"{path}.kind", "<nothing>", "one of " + ", ".join(alert_channels.names()),
            code="missing_key",
        )  # fmt: skip
    cls: type[Channel] = alert_channels.get(kind, f"{path}.kind")
    _check_keys(cls, values, path)
    try:
        made = msgspec.convert(values, cls)
    except msgspec.ValidationError as error:
        raise invalid(
            path, f"<a table of {len(values)} keys>", f"a {kind} channel ({error})"
        ) from None
    for field in cls.secrets:
        text = getattr(made, field)
        if text and not VARIABLE.fullmatch(text):
            raise InvalidInput(
                f"{path}.{field}: got <a value>, expected the name of a variable such as "
                f"$ALERTS_{field.upper()}, since a secret must not stand in a file.",
                code="secret_in_file", path=f"{path}.{field}",
            )  # fmt: skip
    made.check(path)
    return made


def _check_keys(cls: type[Channel], values: Mapping[str, Any], path: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    for key in values:
        if key not in fields:
            raise not_one_of(f"{path}.{key}", key, ("kind", *fields), code="unknown_key")
    for key, field in fields.items():
        if field.required and key not in values:
            raise invalid(f"{path}.{key}", "<nothing>", f"a value for {key}", code="missing_key")
