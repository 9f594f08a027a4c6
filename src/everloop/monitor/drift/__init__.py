"""Built-in drift tests; importing this package registers them."""

from everloop.monitor.drift import chi_square, kolmogorov_smirnov

__all__ = ["chi_square", "kolmogorov_smirnov"]
