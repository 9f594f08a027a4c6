"""Folders of images as a table: what lies in ``cats/`` is labelled ``cats``."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from everloop.data.images import image_shape, pixels
from everloop.errors import invalid

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"})
IMAGE, LABEL, FILE = "image", "label", "file"
#: Folders that divide images instead of labelling them, in the order of their rows.
PARTS = ("train", "training", "valid", "val", "validation", "dev", "test", "testing")


class Labelled(NamedTuple):
    """An image file: its name for people (within the source), where it is, and its label."""

    name: str
    path: Path
    label: str


def find_images(source: str, base: Path) -> list[Labelled]:
    """The images that ``source`` names, sorted; none when it names something else.

    A source is a folder of labels (``pets/cat/1.png``), which may be divided first
    (``pets/train/cat/1.png``; then the rows of ``train`` come before those of ``test``), or a
    pattern of labelled folders (``pets/*/``) or of images (``pets/*/*.png``). Other files are
    passed over, hidden ones among them.

    Raises :class:`~everloop.errors.InvalidInput` for images without a label, and for a label of
    the test part that the training part lacks.
    """
    root = base / Path(source).expanduser()
    if root.is_dir():
        return _in_folder(root, source)
    if not glob.has_magic(source):
        return []
    fixed = _fixed(root)
    matched = sorted(glob.glob(str(root), recursive=True))  # noqa: PTH207
    found: dict[Path, Labelled] = {}
    for path in map(Path, matched):
        if path.is_dir():
            is_label = _holds_images(path)
            for image in _images(path):
                label = path.name if is_label else image.relative_to(path).parts[0]
                found[image] = _named(image, fixed, label)
        elif _is_image(path, fixed):
            found[path] = _named(path, fixed, path.parent.name)
    return sorted(found.values())


def read_images(images: Iterable[Labelled]) -> pl.DataFrame:
    """A row an image: ``file`` (its name, which may serve as ``data.id``), ``image`` (its bytes)
    and ``label``.

    Raises :class:`~everloop.errors.InvalidInput` for a file that is called an image and is none.
    """
    rows = [(image.name, _checked(image), image.label) for image in images]
    schema = {FILE: pl.String, IMAGE: pl.Binary, LABEL: pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _in_folder(root: Path, source: str) -> list[Labelled]:
    inner = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    divided = bool(inner) and all(p.name.lower() in PARTS and not _holds_images(p) for p in inner)
    images = _images(root)
    found = []
    for image in images:
        parts = image.relative_to(root).parts
        if len(parts) > 1 + divided:
            found.append(Labelled("/".join(parts), image, parts[divided]))
    if images and not found:
        raise invalid(
            "data.source",
            source,
            f"a folder for each label, such as {source.rstrip('/')}/cat/{images[0].name}",
            code="missing_label",
        )
    if not divided:
        return sorted(found)
    _check_parts(found, source)
    return sorted(found, key=lambda image: (_rank(image), image))


def _check_parts(found: list[Labelled], source: str) -> None:
    """Every label must be trained on."""
    first = min(map(_rank, found))
    trained = {image.label for image in found if _rank(image) == first}
    for image in found:
        if image.label not in trained:
            part = image.name.partition("/")[0]
            raise invalid(
                f"{source}: {part}",
                image.label,
                f"one of the labels in {PARTS[first]}: " + ", ".join(sorted(trained)),
                code="unknown_label",
            )


def _rank(image: Labelled) -> int:
    return PARTS.index(image.name.partition("/")[0].lower())


def _images(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if _is_image(path, folder)]


def _is_image(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.suffix.lower() in ENDINGS and not hidden and path.is_file()


def _holds_images(folder: Path) -> bool:
    return any(_is_image(path, folder) for path in folder.iterdir())


def _fixed(pattern: Path) -> Path:
    """The folder before the first part of a pattern that is one."""
    return next(p for p in pattern.parents if not glob.has_magic(str(p)))


def _named(image: Path, root: Path, label: str) -> Labelled:
    return Labelled(image.relative_to(root).as_posix(), image, label)


def _checked(image: Labelled) -> bytes:
    data = image.path.read_bytes()
    try:
        pixels(data, image_shape(data))  # all of it, since a file may be cut off
    except ValueError as error:
        raise invalid(
            image.name,
            f"<{len(data):,} bytes>",
            f"an image, as its ending says ({error})",
            code="unreadable_file",
            path=image.name,
            fix="Take it out of the folder.",
        ) from None
    return data
