"""Scores before labels come, and with the first of them."""
