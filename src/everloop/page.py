"""The style of pages that need nothing beside themselves: reports, comparisons, windows."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def page_style() -> str:
    """CSS for the screen, light or dark, and for paper."""
    return Path(__file__).with_name("page.css").read_text("utf-8")
