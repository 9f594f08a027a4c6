"""Built-in methods; importing this package registers them."""

from everloop.update.methods import (
    calibrate,
    incremental,
    pool,
    retrain,
    switch,
    threshold,
    transfer,
)
from everloop.update.methods._base import About, Around, Champion, Choice, Made, Method, Seen

__all__ = [
    "About",
    "Around",
    "Champion",
    "Choice",
    "Made",
    "Method",
    "Seen",
    "calibrate",
    "incremental",
    "pool",
    "retrain",
    "switch",
    "threshold",
    "transfer",
]
