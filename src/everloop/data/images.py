"""Images as pixels; the same functions read a file and a request.

An image is bytes of a PNG or a JPEG (or whatever else Pillow opens), the same as base64 text, or
numbers from 0 to 255 nested as rows of pixels. Pillow comes with ``everloop[images]``.
"""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from everloop.errors import InvalidInput

MAX_PIXELS = 50_000_000  # a small file can claim to be a huge image
EXPECTED = "a PNG or JPEG image"
_SUPPORTED = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
Floats = NDArray[np.float64]


def image_bytes(text: str) -> bytes:
    """The bytes behind base64 text, with or without ``data:image/png;base64,`` in front.

    Raises ``ValueError`` when it is no base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("it is no base64") from error


def image_shape(data: bytes) -> tuple[int, int, int]:
    """Height, width and channels (1 or 3), as its first bytes say. Raises ``ValueError``."""
    image = _open(data)
    channels = 1 if image.mode in ("1", "L", "I", "I;16", "F") else 3
    return image.height, image.width, channels


def pixels(value: bytes | str | list[Any], shape: tuple[int, ...]) -> Floats:
    """The image as ``shape`` (height, width, channels), flat, from 0 to 255.

    A file of another size is scaled, and of other channels converted; nested numbers must have
    the shape. Raises ``ValueError`` with the reason for what is no image.
    """
    height, width, channels = shape
    if isinstance(value, list):
        return _nested(value, shape).ravel()
    image = _open(image_bytes(value) if isinstance(value, str) else value)
    try:
        image = image.convert("L" if channels == 1 else "RGB")
    except (OSError, SyntaxError, ValueError) as error:  # cut off or damaged further down
        raise ValueError(f"its pixels cannot be read ({error})") from error
    if image.size != (width, height):
        image = image.resize((width, height), _pillow().Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float64).ravel()


def to_png(value: list[Any]) -> bytes:
    """Nested numbers as the bytes of a PNG, which holds them exactly. Raises ``ValueError``."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim not in (2, 3):
        raise ValueError("numbers are not nested as rows of pixels")
    depth = array.shape[2] if array.ndim == 3 else 1
    whole = _nested(value, (*array.shape[:2], depth)).astype(np.uint8)
    out = io.BytesIO()
    _pillow().fromarray(whole[:, :, 0] if depth == 1 else whole).save(out, "PNG")
    return out.getvalue()


def _nested(value: list[Any], shape: tuple[int, ...]) -> Floats:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("its rows are not of one length, or not of numbers") from error
    if array.ndim == 2 and shape[2] == 1:
        array = array[:, :, None]
    if array.shape != tuple(shape) or shape[2] not in (1, 3):
        raise ValueError(f"its shape is {array.shape}, not {tuple(shape)}")
    if not ((array >= 0) & (array <= 255)).all():
        raise ValueError("a pixel is not from 0 to 255")
    return np.rint(array)


def _open(data: bytes) -> Any:
    module = _pillow()
    try:
        image = module.open(io.BytesIO(data), formats=_SUPPORTED)
    except (OSError, SyntaxError, ValueError, module.DecompressionBombError) as error:
        raise ValueError("its bytes are no image") from error
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"it has more than {MAX_PIXELS:,} pixels")
    return image


def _pillow() -> Any:
    try:
        from PIL import Image  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise InvalidInput(
            "Reading images needs Pillow: pip install everloop[images].",
            code="missing_extra",
            fix="pip install everloop[images]",
        ) from None
    return Image
