"""Built-in controls of false alarms; importing this package registers them."""

from everloop.monitor.controls import e_detector, e_lond, lord, saffron

__all__ = ["e_detector", "e_lond", "lord", "saffron"]
