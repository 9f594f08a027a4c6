"""Alerts told to people: incidents, rules, silences, channels, and deliveries that survive."""
