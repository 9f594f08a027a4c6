"""A comparison as a page of its own, and as a table for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from everloop.monitor.pages import template
from everloop.page import page_style

if TYPE_CHECKING:
    from everloop.monitor.comparing import Comparison


def comparison_html(comparison: Comparison) -> str:
    """The page: inline style and SVG, no script, no address outside itself."""
    return template("comparison.html").render(c=comparison, style=Markup(page_style()))


def comparison_table(comparison: Comparison) -> str:
    """The same in short, with no style of a page."""
    return template("comparison_table.html").render(c=comparison)
