"""The pages of this stage: templates whose every value is escaped."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

from markupsafe import Markup

from everloop.monitor.summaries.drawing import bars_svg

if TYPE_CHECKING:
    import jinja2

_WORDS = {"drift": "fail", "broken": "fail", "small drift": "not_enough_evidence"}


@functools.cache
def template(name: str) -> jinja2.Template:
    """A page of this stage: what it shows is escaped, and a name it lacks is an error."""
    engine = importlib.import_module("jinja2")  # few processes draw a page
    environment: jinja2.Environment = engine.Environment(
        loader=engine.PackageLoader("everloop.monitor", "templates"),
        autoescape=True,
        trim_blocks=True,
        undefined=engine.StrictUndefined,
    )
    environment.globals["histogram"] = lambda before, after: Markup(bars_svg(before, after))
    environment.filters["said"] = lambda verdict: _WORDS.get(verdict, verdict.replace(" ", "_"))
    environment.filters["short"] = lambda value: "" if value is None else f"{value:.3g}"
    return environment.get_template(name)
