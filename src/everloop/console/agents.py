"""What a browser calls itself, in a few words that tell a person which of theirs it is."""

from __future__ import annotations

# The first that is found counts: most browsers claim to be others too.
BROWSERS = (
    ("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)  # fmt: skip
SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
    ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


def agent_of(header: str) -> str:
    """``Firefox on Linux``; ``a program`` for what is no browser."""
    browser = next((name for mark, name in BROWSERS if mark in header), "")
    system = next((name for mark, name in SYSTEMS if mark in header), "")
    if not browser:
        return "a program"
    return f"{browser} on {system}" if system else browser
