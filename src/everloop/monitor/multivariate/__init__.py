"""Built-in tests of all features together; importing this package registers them."""

from everloop.monitor.multivariate import classifier, correlation, mean_discrepancy, reconstruction

__all__ = ["classifier", "correlation", "mean_discrepancy", "reconstruction"]
