"""Built-in triggers; importing this package registers them."""

from everloop.update.triggers import (
    cron,
    drift,
    estimated,
    new_data,
    performance,
    schedule,
    several,
    upstream,
    volume,
)
from everloop.update.triggers._parse import parse_trigger

__all__ = [
    "cron",
    "drift",
    "estimated",
    "new_data",
    "parse_trigger",
    "performance",
    "schedule",
    "several",
    "upstream",
    "volume",
]
