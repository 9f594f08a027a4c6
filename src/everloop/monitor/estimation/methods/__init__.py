"""Built-in estimators; importing this package registers them."""

from everloop.monitor.estimation.methods import adaptive, cbpe, dle, m_cbpe, pape

__all__ = ["adaptive", "cbpe", "dle", "m_cbpe", "pape"]
