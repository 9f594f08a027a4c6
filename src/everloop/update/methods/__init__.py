"""Built-in methods; importing this package registers them."""

from everloop.update.methods import retrain
from everloop.update.methods._base import About, Around, Champion, Choice, Made, Method

__all__ = ["About", "Around", "Champion", "Choice", "Made", "Method", "retrain"]
