"""Libraries that train, imported without the tables that nobody gives them.

scikit-learn and skl2onnx import pandas where they find it, and pandas pyarrow: more than a quarter
of what a step's process does before it begins. Neither needs it for arrays, which are all they get
from us, and scikit-learn recognises a table by itself. Whoever else imports pandas gets it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

DO_WITHOUT = {"pandas": ("sklearn.utils.fixes", "skl2onnx.algebra.type_helper")}


class _Leave(MetaPathFinder):
    """Finds nothing, and says that it is not there to those who can do without."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in DO_WITHOUT and _importer() in DO_WITHOUT[fullname]:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def lean_imports() -> None:
    """From now on, in this process."""
    sys.meta_path.insert(0, _Leave())


def _importer() -> str:
    """The module whose ``import`` is being carried out."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))
