"""Which policies are compared: keys of ``[update]`` laid over the loop file's."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from everloop.data.schema import Schema
from everloop.durations import milliseconds
from everloop.errors import InvalidInput, NotFound, did_you_mean, invalid
from everloop.loop.backtests.records import Plan, Policy
from everloop.loop.checking import check_words, method_notes
from everloop.loop.declaration import Declaration, from_dict, to_dict

OWN = "own"
MONTH = "30d"
MOST = 12  # policies; each replays the whole stream
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}")
# A policy of a backtest that leans on nothing of the loop file's but its models and gates.
_PLAIN: dict[str, Any] = {
    "method": "retrain", "window": "all", "search": "keep", "cooldown": "0s", "budget": [],
    "quiet": [], "approval": "auto", "approvals": None, "value": None,
}  # fmt: skip


def usual(width: str) -> dict[str, dict[str, Any]]:
    """The policies that everybody asks about; ``width`` is the length of a window."""
    every = [f"every {width}"]
    return {
        "never": {**_PLAIN, "when": []},
        "always": {**_PLAIN, "when": every},
        "monthly": {**_PLAIN, "when": [f"every {MONTH}"]},
        OWN: {},
        "auto": {"method": "auto", "window": "all", "search": "keep"},
        "pool": {**_PLAIN, "when": every, "method": "pool"},
    }


def policies_of(
    plan: Plan, declaration: Declaration, schema: Schema, folder: Path, width: str
) -> tuple[list[Policy], list[str]]:
    """The policies to compare, and sentences on what was left out.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown key, with the nearest one, and for
    a policy that contradicts itself; of the usual ones that are not asked for by name, what is not
    sound here is left out.
    """
    known, notes = usual(width), []
    found: list[Policy] = []
    for name, update in (plan.policies or known).items():
        _check_name(name)
        if not update and name in known:
            update = known[name]
        elif not update:
            raise _unknown(name, known)
        policy = Policy(name, update)
        try:
            made = declared(declaration, policy)
            with _named(policy):
                check_words(made, schema.task)
                method_notes(made, schema, folder)
        except InvalidInput as error:
            if plan.policies:
                raise
            notes.append(f"{name} was left out: {error.message.partition(': ')[2]}")
            continue
        if not plan.policies and (why := _twice(name, made, declaration, width)):
            notes.append(f"{name} was left out: {why}.")
            continue
        notes += _unheard(policy.name, made)
        found.append(policy)
    if len(found) > MOST:
        raise invalid("policies", len(found), f"at most {MOST} policies")
    return found, notes


def declared(declaration: Declaration, policy: Policy) -> Declaration:
    """The loop under a policy; raises as :func:`policies_of`, and names the policy."""
    raw = to_dict(declaration)
    raw["update"] = {**raw["update"], **policy.update}
    with _named(policy):
        made = from_dict(raw).declaration
        check_words(made)
    return made


@contextmanager
def _named(policy: Policy) -> Iterator[None]:
    """Let what is wrong with a policy be told under its name."""
    try:
        yield
    except InvalidInput as error:
        path = f"policies.{policy.name}.{(error.path or '').removeprefix('update.')}".rstrip(".")
        said = error.message.removeprefix(f"{error.path}: ")
        raise InvalidInput(
            f"{path}: {said}", code=error.code, path=path, got=error.got, fix=error.fix
        ) from None


def read_policies(file: Path) -> dict[str, dict[str, Any]]:
    """A TOML file with a table for each policy.

    Raises :class:`~everloop.errors.InvalidInput` for what is none.
    """
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"policies: there is no file {file.name}.", path="policies") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise invalid("policies", f"{file.name} ({error})", "a TOML file") from None
    return _tables(raw)


def parse_policy(text: str) -> dict[str, dict[str, Any]]:
    """``never``, or ``quarterly = {when = ["every 90d"]}``, as on the command line."""
    if "=" not in text:
        return {text.strip(): {}}
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise invalid(
            "policy", text, f'NAME, or NAME = {{when = ["every 30d"]}} ({error})'
        ) from None
    return _tables(raw)


def _tables(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for name, update in raw.items():
        if not isinstance(update, dict):
            raise invalid(f"policies.{name}", update, "a table with keys of [update]")
    if not raw:
        raise invalid("policies", "<nothing>", "a table for each policy")
    return raw


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name in ("base", "."):
        wanted = "letters, digits, '_', '-' or '.', at most 50, and not base"
        raise invalid("policies", name, wanted)


def _unknown(name: str, known: dict[str, Any]) -> InvalidInput:
    wanted = f"keys of [update], or one of the usual {', '.join(known)}"
    fix = did_you_mean(name, known)
    return invalid(f"policies.{name}", "<nothing>", wanted, code="unknown_name", fix=fix)


def _twice(name: str, made: Declaration, own: Declaration, width: str) -> str:
    """Why a usual policy says nothing that another one does not."""
    if name == "auto" and made.update == own.update:
        return "the loop's own policy is that"
    if name == "monthly" and milliseconds(width) >= milliseconds(MONTH):
        return "a window is as long as a month"
    return ""


def _unheard(name: str, made: Declaration) -> list[str]:
    """Triggers that a table with a history cannot pull."""
    texts = [t for t in made.update.when if "event " in t or "new data" in t]
    return [f'{name}: "{text}" never comes in a backtest.' for text in texts]


def differs(policy: Policy) -> str:
    """The policy as a section of a loop file."""
    lines = [
        f"{key} = {msgspec.json.encode(value).decode()}"
        for key, value in policy.update.items()
        if value is not None
    ]
    return "\n".join(["[update]", *(lines or ["# as it stands"])])
