"""How verbs speak: JSON alone, or words, tables and the next command to type."""

from __future__ import annotations

import io
import shlex
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console(highlight=False)

PIPE_WIDTH = 10_000  # columns of a table that no terminal shows

VERDICT_STYLE = {
    "promoted": "bold green",
    "registered": "green",
    "passed": "green",
    "reproduced": "green",
    "differs": "yellow",
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
    if console.is_terminal:
        console.print(out)
        return
    # For other programs one row is one line, without blanks at its end.
    text = io.StringIO()
    Console(file=text, width=PIPE_WIDTH).print(out)
    for line in text.getvalue().splitlines():
        click.echo(line.rstrip())


def say(text: str) -> None:
    """A sentence; it breaks between words on a terminal and not at all in a pipe."""
    console.print(escape(_wrapped(text)), soft_wrap=True)


def detail(text: str, label: str = "", indent: int = 2) -> None:
    """A line under a heading, its further lines below its text."""
    start = " " * indent + (f"{label:<9} " if label else "")
    shown = escape(_wrapped(start + text, len(start)))
    if label:
        shown = shown.replace(label, f"[bold]{label}[/]", 1)
    console.print(shown, soft_wrap=True)


def heading(text: str) -> None:
    """What follows, in a few words."""
    console.print(f"[bold cyan]{escape(text)}[/]", soft_wrap=True)


def next_step(command: str, why: str) -> None:
    """The next command to type, at the end of a verb, for the same folder."""
    given = click.get_current_context(silent=True)
    folder = given.params.get("folder") if given is not None else None
    if folder is not None and folder != Path():
        command += f" --dir {shlex.quote(str(folder))}"
    console.print(f"\nnext: [bold]{escape(command)}[/]  {escape(why)}", soft_wrap=True)


def verdict(name: str, reason: str) -> None:
    """A verdict with its reason."""
    style = VERDICT_STYLE.get(name, "bold")
    shown = name.replace("_", " ")
    text = _wrapped(f"{shown}: {reason}")
    console.print(f"[{style}]{escape(shown)}[/]{escape(text[len(shown) :])}", soft_wrap=True)


def _wrapped(text: str, indent: int = 0) -> str:
    if not console.is_terminal or len(text) <= console.width:
        return text
    return textwrap.fill(
        text, console.width, subsequent_indent=" " * indent, break_on_hyphens=False
    )


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
