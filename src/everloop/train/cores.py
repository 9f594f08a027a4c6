"""How many cores a fit may use."""

from __future__ import annotations

import importlib


def cores() -> int:
    """As joblib counts them: within a container's limit, at most ``LOKY_MAX_CPU_COUNT``.

    joblib is imported here since it takes a tenth of a second, which only who fits should pay for.
    """
    return int(importlib.import_module("joblib").cpu_count())
