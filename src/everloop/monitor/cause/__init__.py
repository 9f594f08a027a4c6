"""Why an alert was raised: since when, what it comes from, where, what was changed, what helped.

One question a file. Everything is asked of two sets of rows, those before a change and those
after it; :mod:`everloop.monitor.cause.explain` puts the answers together.
"""
