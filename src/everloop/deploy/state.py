"""The desired state: which versions answer at which endpoint, with what share of the traffic.

One small JSON file, ``.everloop/serving/desired.json``, written by the control plane and followed
by the data plane. It is replaced atomically, so that a reader sees one state or the next.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from everloop.deploy.spec import ServingSpec
from everloop.errors import Integrity, invalid
from everloop.replacing import replace_file

Role = Literal["champion", "canary", "variant", "interleaved", "shadow", "standby"]


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version behind an endpoint.

    ``weight`` is its share of the traffic, 0 to 1. A canary is on trial beside the champion, a
    variant is one of several that are compared. A shadow answers every request after the caller
    has its reply, and has the weight 0; so have a standby, which is loaded and waits, and a ranker
    whose rows are interleaved with the champion's.
    """

    version: int
    digest: str
    weight: float = 1.0
    role: Role = "champion"


class LogRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the data plane does to a record before it is written: see ``[monitor.log]``.

    ``ids`` says whether the ids of rows are hashed too.
    """

    mask: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    ids: bool = False
    sample: float = 1.0


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person expects of one feature's values: see ``expectations.toml``."""

    range: tuple[float, float] | None = None
    levels: tuple[str, ...] | None = None
    missing: float | None = None  # the largest share that may be missing


class EndpointState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The arms of one endpoint; the weights of those that answer callers add up to 1."""

    model: str
    arms: tuple[Arm, ...]
    serving: ServingSpec = ServingSpec()
    log: LogRules | None = None
    expected: dict[str, Bounds] = {}  # by feature


class DesiredState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All endpoints at one revision; the revision rises with every change."""

    revision: int = 0
    endpoints: dict[str, EndpointState] = {}


def state_path(state: Path) -> Path:
    """Where the file lies below a project's folder of state."""
    return state / "serving" / "desired.json"


def package_path(state: Path, digest: str) -> Path:
    """Where a model package lies on this machine once it is fetched."""
    return state / "packages" / digest


def check_arms(arms: tuple[Arm, ...], field: str = "arms") -> None:
    """Raise :class:`~everloop.errors.InvalidInput` unless the arms can answer callers together."""
    champions = [arm for arm in arms if arm.role == "champion"]
    if len(champions) != 1:
        raise invalid(field, f"{len(champions)} champions", "exactly one champion")
    for arm in arms:
        if not 0.0 <= arm.weight <= 1.0:
            raise invalid(f"{field}.weight", arm.weight, "a share from 0 to 1")
        if arm.role in ("interleaved", "shadow", "standby") and arm.weight:
            raise invalid(f"{field}.weight", arm.weight, "0, since it answers no caller by itself")
        if len(arm.digest) != 64 or set(arm.digest) - set("0123456789abcdef"):
            raise invalid(f"{field}.digest", arm.digest, "a sha256 in lower-case hex")
    if len({arm.version for arm in arms}) < len(arms):
        raise invalid(field, [arm.version for arm in arms], "each version once")
    total = sum(arm.weight for arm in arms)
    if abs(total - 1.0) > 1e-9:
        raise invalid(f"{field}.weight", total, "shares that add up to 1")


def write_state(path: Path, state: DesiredState) -> None:
    """Replace the file at once; the state is on the disk when this returns."""
    replace_file(path, msgspec.json.format(msgspec.json.encode(state), indent=1))


def read_state(path: Path) -> DesiredState:
    """The state in the file; no file is a state without endpoints.

    Raises :class:`~everloop.errors.Integrity` for a file that is not such a state.
    """
    try:
        state = msgspec.json.decode(path.read_bytes(), type=DesiredState)
    except FileNotFoundError:
        return DesiredState()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Integrity(f"{path.name} is not a desired state: {error}.", path=str(path)) from None
    for name, endpoint in state.endpoints.items():
        check_arms(endpoint.arms, f"$.endpoints.{name}.arms")
    return state
