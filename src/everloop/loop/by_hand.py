"""An update that a person asks for, by a method of their choice."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import NotFound
from everloop.extensions import update_methods
from everloop.loop.considered import kept, situation_now
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.update.asked import asked_choice
from everloop.update.checking import check_update
from everloop.update.spec import UpdateSpec

BY_HAND = "A person asks for it."


class Wanted(msgspec.Struct, frozen=True):
    """How a person wants the new model to be made; what is None stays as in the loop file."""

    method: str | None = None
    window: str | None = None
    search: str | None = None

    def __str__(self) -> str:
        said = [self.method or "the loop file's method"]
        said += [f'window "{self.window}"'] if self.window else []
        return ", ".join(said + ([f"search {self.search}"] if self.search else []))

    def __bool__(self) -> bool:
        return any((self.method, self.window, self.search))


def wanted_policy(wanted: Wanted, policy: UpdateSpec) -> UpdateSpec:
    """The policy with what is wanted instead.

    Raises :class:`~everloop.errors.InvalidInput` for what is no method, or contradicts itself.
    """
    said = {k: v for k, v in msgspec.to_builtins(wanted).items() if v is not None}
    name = wanted.method or policy.method
    if name in update_methods.names() and not update_methods.get(name).fits:
        # What the file says of a new fit is not for it.
        said = {"window": "all", "search": "keep"} | said
    made = msgspec.structs.replace(policy, **said)
    check_update(msgspec.structs.replace(made, when=()))
    return made


def asked_cause(project: Project, declaration: Declaration, wanted: Wanted) -> dict[str, Any]:
    """The cause of a cycle that makes a model so; its gates decide, no proof of worth is needed.

    With ``auto`` the probe chooses between the methods, where there are windows to choose by.
    """
    policy = wanted_policy(wanted, declaration.update)
    champion = project.champion(declaration.name)
    if champion is None:
        raise NotFound(
            f"model {declaration.name}: has no champion to update.",
            path="update.method", fix="everloop run trains one.",
        )  # fmt: skip
    cause: dict[str, Any] = {
        "kind": "person",
        "keep": kept(project, champion),
        "policy": msgspec.to_builtins(policy),
    }
    if policy.method == "auto":
        situation = situation_now(project, declaration, champion)
        if situation is not None:
            cause |= {"choose": True, "situation": msgspec.to_builtins(situation)}
            return cause
    choice = asked_choice(policy, champion.version, probed=False)
    assert choice is not None, "without a probe there is one"
    if policy.method != "auto":
        choice = msgspec.structs.replace(choice, why=BY_HAND)
    return cause | {"method": msgspec.to_builtins(choice)}
