"""Built-in quality checks; importing this package registers them."""

from everloop.monitor.quality import missing, new_categories, out_of_range, stuck, unit_change

__all__ = ["missing", "new_categories", "out_of_range", "stuck", "unit_change"]
