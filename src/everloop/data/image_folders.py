"""A folder of images as a table: what lies in ``cats/`` is labelled ``cats``."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from everloop.data.images import image_shape, pixels
from everloop.errors import invalid

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"})
IMAGE, LABEL, FILE = "image", "label", "file"
_FIRST = 3


def is_image_folder(path: Path) -> bool:
    """Whether ``path`` is a folder whose folders hold files that are called images."""
    if not path.is_dir():
        return False
    return any(
        file.suffix.lower() in ENDINGS
        for inner in sorted(path.iterdir())[:_FIRST]
        if inner.is_dir()
        for file in inner.iterdir()
    )


def read_image_folder(path: Path) -> pl.DataFrame:
    """The images of ``path/LABEL/…``: ``file``, ``image`` (its bytes) and ``label``, sorted.

    The column ``file`` is the path within the folder and may serve as ``data.id``. Other files
    are passed over, hidden ones among them.

    Raises :class:`~everloop.errors.InvalidInput` for a file that is called an image and is none.
    """
    rows: dict[str, list[str | bytes]] = {FILE: [], IMAGE: [], LABEL: []}
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        hidden = any(part.startswith(".") for part in parts)
        if len(parts) < 2 or hidden or file.suffix.lower() not in ENDINGS or not file.is_file():
            continue
        rows[FILE].append("/".join(parts))
        rows[IMAGE].append(_checked(file, "/".join(parts)))
        rows[LABEL].append(parts[0])
    return pl.DataFrame(rows, schema={FILE: pl.String, IMAGE: pl.Binary, LABEL: pl.String})


def _checked(file: Path, name: str) -> bytes:
    data = file.read_bytes()
    try:
        pixels(data, image_shape(data))  # all of it, since a file may be cut off
    except ValueError as error:
        raise invalid(
            name,
            f"<{len(data):,} bytes>",
            f"an image, as its ending says ({error})",
            code="unreadable_file",
            path=name,
            fix="Take it out of the folder.",
        ) from None
    return data
