"""Libraries that train, imported without the tables that nobody gives them.

scikit-learn, skl2onnx and LightGBM import pandas where they find it, and pandas pyarrow: more than
a quarter of what a step's process does before it begins. None needs it for arrays, which are all
they get from us. scikit-learn recognises a table by itself; LightGBM asks whether something is one
by the names that it imported, so it gets names that find pandas once somebody uses a table. Whoever
else imports pandas gets it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FrameType, ModuleType
from typing import Any

BY_NAMES = "lightgbm.compat"
DO_WITHOUT = {
    "pandas": (
        "sklearn.utils.fixes",
        "skl2onnx.algebra.type_helper",
        BY_NAMES,
        # These ask in the middle of a fit, when another beside it would find half of pandas.
        "sklearn.compose._column_transformer",
        "sklearn.utils._mask",
        "sklearn.utils._missing",
        "sklearn.utils._param_validation",
    )
}


class _Leave(MetaPathFinder):
    """Finds nothing, and says that it is not there to those who can do without."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == BY_NAMES:
            return _with_names(PathFinder.find_spec(fullname, path, target))
        if fullname in DO_WITHOUT and _importer() in DO_WITHOUT[fullname]:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


class _Looked(type):
    """A class of pandas by its name, looked up whenever it is used."""

    def __instancecheck__(cls, thing: object) -> bool:
        real = getattr(sys.modules.get("pandas"), cls.__name__, None)  # a table's maker has it
        return real is not None and isinstance(thing, real)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _called(cls.__name__, *args, **kwargs)


class _Named(Loader):
    """Loads the module that it stands before, and gives it the names that pandas would have."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        if module.PANDAS_INSTALLED:  # it was imported before
            return
        names: dict[str, Any] = {"PANDAS_INSTALLED": True, "concat": partial(_called, "concat")}
        for kind in ("DataFrame", "Series", "CategoricalDtype"):
            names[f"pd_{kind}"] = _Looked(kind, (), {})
        vars(module).update(names)


def lean_imports() -> None:
    """From now on, in this process."""
    sys.meta_path.insert(0, _Leave())


def _with_names(spec: ModuleSpec | None) -> ModuleSpec | None:
    if spec is not None and spec.loader is not None:
        spec.loader = _Named(spec.loader)
    return spec


def _called(name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(import_module("pandas"), name)(*args, **kwargs)


def _importer() -> str:
    """The module whose ``import`` is being carried out."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))
