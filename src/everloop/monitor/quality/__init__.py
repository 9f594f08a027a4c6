"""Built-in quality checks; importing this package registers them."""

from everloop.monitor.quality import (
    constant,
    duplicates,
    expected,
    missing,
    new_categories,
    out_of_range,
    pairs,
    stuck,
    type_change,
    unit_change,
    unseen_columns,
    volume,
)

__all__ = [
    "constant",
    "duplicates",
    "expected",
    "missing",
    "new_categories",
    "out_of_range",
    "pairs",
    "stuck",
    "type_change",
    "unit_change",
    "unseen_columns",
    "volume",
]
