"""Built-in sequential detectors; importing this package registers them."""

from everloop.monitor.sequential import (
    adwin,
    conformal_martingale,
    ddm,
    eddm,
    hddm,
    kswin,
    page_hinkley,
)

__all__ = ["adwin", "conformal_martingale", "ddm", "eddm", "hddm", "kswin", "page_hinkley"]
