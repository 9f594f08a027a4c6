"""Whether the method, window and search of an ``[update]`` section are any, and are sound."""

from __future__ import annotations

from collections.abc import Sequence

from everloop.errors import invalid, not_one_of
from everloop.extensions import update_methods
from everloop.update.methods import About
from everloop.update.spec import UpdateSpec
from everloop.update.windows import parse_window

SEARCHES = ("keep", "warm", "full")


def check_method(spec: UpdateSpec) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for unknown words, and for a window or a search
    beside a method that fits nothing by it."""
    for field, value, known in (
        ("method", spec.method, ("auto", *update_methods.names())),
        ("search", spec.search, SEARCHES),
    ):
        if value not in known:
            raise not_one_of(f"update.{field}", value, known, code="unknown_name")
    parse_window(spec.window)
    if spec.method == "auto" or update_methods.get(spec.method).fits:
        return
    for field, value, usual in (("window", spec.window, "all"), ("search", spec.search, "keep")):
        if value != usual:
            wanted = f'"{usual}", as the method {spec.method} fits nothing by it'
            raise invalid(f"update.{field}", value, wanted, code="contradiction")


def check_sound(spec: UpdateSpec, abouts: Sequence[About]) -> list[str]:
    """Notes on algorithms for which the method is not sound.

    ``abouts`` : one for each algorithm that may be the champion. Raises
    :class:`~everloop.errors.InvalidInput` when it is sound for none of them.
    """
    name = "retrain" if spec.method == "auto" else spec.method
    method = update_methods.get(name)()
    found = {about.algorithm: method.sound(about) for about in abouts}
    refused = {algorithm: why for algorithm, why in found.items() if why is not None}
    if refused and len(refused) == len(found):
        field, got = ("window", spec.window) if method.fits else ("method", spec.method)
        wanted = f"one that is sound here: {next(iter(refused.values()))}"
        raise invalid(f"update.{field}", got, wanted, code="contradiction")
    return [
        f"With {algorithm} as the champion, an update would be refused: {why}."
        for algorithm, why in refused.items()
    ]
