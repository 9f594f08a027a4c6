"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

folder = click.option(
    "--dir",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    show_default=".",
    help="The project's folder.",
)
new_folder = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default=".",
    help="The project's folder; made when it is not there.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
loop_name = click.option("--loop", "loop_name", help="Which loop, when the project has several.")


def limit(default: int, what: str = "at most", most: int = 1000) -> Callable[[F], F]:
    """``--limit``, from 1 to ``most``: how many of ``what`` is listed."""
    return click.option(
        "--limit",
        type=click.IntRange(1, most),
        default=default,
        show_default=True,
        help=f"How many {what}.",
    )


def project_options(function: F) -> F:
    """``--dir``, ``--loop`` and ``--json``."""
    return folder(loop_name(as_json(function)))
