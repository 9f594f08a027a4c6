"""A name for a run that was given none: easy to say, never wrong to repeat."""

from __future__ import annotations

import random

# fmt: off
_HOW = (
    "amber", "bold", "brave", "bright", "calm", "clear", "clever", "cosmic", "crisp", "curious",
    "daring", "deep", "eager", "early", "fair", "fast", "fine", "fresh", "gentle", "glad",
    "golden", "grand", "green", "honest", "keen", "kind", "lively", "lucky", "mellow", "merry",
    "mild", "neat", "noble", "open", "patient", "plain", "polite", "proud", "quick", "quiet",
    "rare", "ready", "rosy", "silent", "silver", "simple", "sly", "smart", "smooth", "sober",
    "solid", "steady", "sunny", "swift", "tidy", "true", "warm", "wise", "young",
)
_WHAT = (
    "alder", "ant", "badger", "bass", "beech", "birch", "bison", "cedar", "crane", "crow",
    "deer", "dove", "eagle", "elk", "elm", "falcon", "fern", "finch", "fox", "frog", "gull",
    "hare", "hawk", "heron", "ibis", "jay", "kite", "lark", "lion", "lynx", "maple", "mole",
    "moth", "newt", "oak", "otter", "owl", "perch", "pike", "pine", "quail", "raven", "robin",
    "rook", "seal", "shrew", "snail", "snipe", "sparrow", "spruce", "stoat", "stork", "swan",
    "teal", "tern", "thrush", "toad", "trout", "vole", "wasp", "whale", "willow", "wolf",
    "wren", "yew",
)
# fmt: on


def new_name() -> str:
    """Such as ``calm-heron-427``."""
    pick = random.SystemRandom()
    return f"{pick.choice(_HOW)}-{pick.choice(_WHAT)}-{pick.randrange(1000)}"
