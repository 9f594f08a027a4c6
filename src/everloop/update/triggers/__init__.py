"""Built-in triggers; importing this package registers them."""

from everloop.update.triggers import drift, estimated, performance, schedule, volume
from everloop.update.triggers._parse import check_triggers, parse_trigger

__all__ = [
    "check_triggers",
    "drift",
    "estimated",
    "parse_trigger",
    "performance",
    "schedule",
    "volume",
]
