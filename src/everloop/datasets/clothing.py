"""Fashion-MNIST: 70,000 pictures of clothes, 28 by 28 pixels, ten kinds (Xiao et al., 2017).

The files are those of Debian's package ``dataset-fashion-mnist``; the same four files in the
user's cache folder do as well. Nothing is downloaded here.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl

from everloop.datasets.fetch import Report, cache_folder, quiet
from everloop.errors import Integrity, InvalidInput, NotFound

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PARTS = {"train": "train", "test": "t10k"}
KINDS = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)


def fashion_mnist(
    report: Report = quiet, folder: Path | None = None, rows: int | None = None
) -> pl.DataFrame:
    """Columns ``picture`` (PNG, grey), ``kind`` and ``part`` (train or test), training rows first.

    Parameters
    ----------
    folder : where the four files lie; else the Debian package's folder, then ``fashion-mnist`` in
        the cache.
    rows : of each part, the first so many; None takes all.

    Raises :class:`~everloop.errors.NotFound` when the files are not there, and
    :class:`~everloop.errors.Integrity` for a file that is damaged.
    """
    found = _folder(folder)
    report(f"reading Fashion-MNIST from {found}")
    parts = []
    for part, prefix in PARTS.items():
        pixels = _idx(found / f"{prefix}-images-idx3-ubyte.gz", 3)[:rows]
        kinds = _idx(found / f"{prefix}-labels-idx1-ubyte.gz", 1)[:rows]
        if len(pixels) != len(kinds):
            raise Integrity(f"{found}: got {len(pixels)} pictures and {len(kinds)} labels.")
        frame = pl.DataFrame(
            {
                "picture": pl.Series([_png(image) for image in pixels], dtype=pl.Binary),
                "kind": [KINDS[kind] for kind in kinds],
            }
        )
        parts.append(frame.with_columns(part=pl.lit(part)))
    return pl.concat(parts)


def _folder(folder: Path | None) -> Path:
    tried = [folder] if folder is not None else [DEBIAN, cache_folder() / "fashion-mnist"]
    for place in tried:
        if (place / "train-images-idx3-ubyte.gz").is_file():
            return place
    raise NotFound(
        f"Fashion-MNIST is not in {' or '.join(str(place) for place in tried)}. "
        "Install Debian's package dataset-fashion-mnist, or put its four files there.",
        path=str(tried[-1]),
        fix="Run: apt install dataset-fashion-mnist.",
    )


def _idx(path: Path, dimensions: int) -> np.ndarray:
    """An array of bytes in LeCun's IDX format: a magic number, the sizes, the values."""
    try:
        data = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"{path.name} is not in {path.parent}.", path=str(path)) from None
    except (OSError, EOFError) as error:
        raise Integrity(f"{path.name}: is no gzip file ({error}).", path=str(path)) from None
    head = 4 * (1 + dimensions)
    if len(data) < head or data[:4] != bytes([0, 0, 8, dimensions]):
        raise Integrity(f"{path.name}: is no IDX file of {dimensions} dimensions.", path=str(path))
    sizes = np.frombuffer(data, ">u4", dimensions, offset=4).astype(int)
    if len(data) - head != int(np.prod(sizes)):
        raise Integrity(f"{path.name}: is cut off.", path=str(path))
    return np.frombuffer(data, np.uint8, offset=head).reshape(sizes)


def _png(image: np.ndarray) -> bytes:
    try:
        from PIL import Image  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidInput(
            'Fashion-MNIST: needs Pillow. Run: pip install "everloop[images]".',
            code="missing_package",
        ) from None
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()
