"""Text in a column that was meant to hold numbers: found early, and said with its place."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from everloop.data.columns import as_text, wrong_value

NUMBER_SHARE = 0.9  # text that spells numbers more often than this was meant to be numbers
_GROUPED = r"^[+-]?\d{1,3}([,.]\d{3})*,\d+$|^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$|^[+-]?\d+,\d+$"


def refuse_stray_text(text: pl.Series, role: str = "column") -> None:
    """Refuse text that spells numbers nearly everywhere, naming the value that does not."""
    words = as_text(text).str.strip_chars()
    numbers = words.cast(pl.Float64, strict=False)
    count = numbers.is_not_null().sum()
    found = share(count, words)
    stray = numbers.is_null() & words.is_not_null()
    if NUMBER_SHARE < found < 1:
        row = int(stray.arg_max() or 0)
        raise wrong_value(
            text,
            row,
            f"a number, as in {100 * found:.3g} % of the {role}",
            f'Clean the value, or name "{text.name}" in data.categories or data.ignore.',
        )
    if found < 1 and share(words.str.contains(_GROUPED).sum(), words) > NUMBER_SHARE:
        row = int(stray.arg_max() or 0)
        raise wrong_value(text, row, "a number with a decimal point and no thousands separator")


def share(count: float | Decimal, text: pl.Series) -> float:
    return float(count) / max(len(text) - text.null_count(), 1)
