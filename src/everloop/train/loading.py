"""Classes by the text ``module:Name``, imported only when they are used.

The built-in candidates name their estimators this way, so that reading a loop file imports neither
scikit-learn nor LightGBM; a user's own estimator is named the same way.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

from everloop.errors import did_you_mean, invalid

_alone = threading.RLock()


def is_reference(text: str) -> bool:
    """Whether ``text`` has the form ``module:Name``."""
    module, colon, name = text.partition(":")
    return bool(colon) and name.isidentifier() and all(p.isidentifier() for p in module.split("."))


def has_module(name: str) -> bool:
    """Whether a module is installed; it is not imported."""
    return importlib.util.find_spec(name) is not None


def imported(module: str) -> ModuleType:
    """A module, of those that are not there yet one at a time.

    Two threads that begin at different parts of a package whose parts import each other, as
    skl2onnx's do, would each wait for what the other has half imported, and both would fail.
    """
    if module in sys.modules:  # perhaps not whole yet: then this waits, and holds nothing itself
        return importlib.import_module(module)
    with _alone:
        return importlib.import_module(module)


def load(reference: str, field: str = "train.candidates") -> Any:
    """The object that ``module:Name`` names.

    Raises :class:`~everloop.errors.InvalidInput` when the module or the name is not there.
    """
    if not is_reference(reference):
        raise invalid(field, reference, 'the form "module:Name"')
    module, _, name = reference.partition(":")
    try:
        found = imported(module)
    except Exception as error:
        raise invalid(
            field,
            reference,
            "a module that imports",
            code="cannot_import",
            fix=f"Importing {module} says: {type(error).__name__}: {error}.",
        ) from error
    if not hasattr(found, name):
        raise invalid(
            field,
            reference,
            f"a name in the module {module}",
            code="cannot_import",
            fix=did_you_mean(name, dir(found), lambda guess: f"{module}:{guess}"),
        )
    return getattr(found, name)
