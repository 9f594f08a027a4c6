"""What a window should be like: the training rows, the windows before it, or last week's."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from everloop.monitor.profile import Profile


class Likeness(NamedTuple):
    """What drift is measured from.

    ``profile`` is None while there is nothing to measure from, and ``note`` says why; ``sample``
    are some of the rows, for tests of all features together, where they may be had.
    """

    profile: Profile | None
    sample: pl.DataFrame | None = None
    note: str = ""
