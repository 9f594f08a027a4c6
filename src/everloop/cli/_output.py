"""How verbs speak: JSON alone, or words, tables and the next command to type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console(highlight=False)

VERDICT_STYLE = {
    "promoted": "bold green",
    "registered": "green",
    "passed": "green",
    "not_worth_it": "yellow",
    "rejected": "yellow",
    "refused": "red",
    "rolled_back": "red",
    "declined": "yellow",
    "failed": "bold red",
    "failed_gates": "red",
}


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A plain table; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    out = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in cells)
        out.add_column(column, justify="right" if numeric and cells else "left")
    for row in cells:
        out.add_row(*(escape(cell) for cell in row))
    console.print(out)


def say(text: str) -> None:
    console.print(escape(text))


def heading(text: str) -> None:
    console.print(f"[bold cyan]{escape(text)}[/]")


def next_step(command: str, why: str) -> None:
    """The next command to type, at the end of a verb."""
    console.print(f"\nnext: [bold]{escape(command)}[/]  {escape(why)}", soft_wrap=True)


def verdict(name: str, reason: str) -> None:
    style = VERDICT_STYLE.get(name, "bold")
    shown = escape(name.replace("_", " "))
    console.print(f"[{style}]{shown}[/]: {escape(reason)}", soft_wrap=True)


def number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 4) -> str:
    return "" if low is None or high is None else f"[{low:.{digits}f}, {high:.{digits}f}]"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return number(value) if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return text == "–"
    return True
