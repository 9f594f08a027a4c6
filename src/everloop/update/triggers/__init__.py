"""Built-in triggers; importing this package registers them."""

from everloop.update.triggers import drift, performance, schedule, volume
from everloop.update.triggers._parse import check_triggers, parse_trigger

__all__ = ["check_triggers", "drift", "parse_trigger", "performance", "schedule", "volume"]
