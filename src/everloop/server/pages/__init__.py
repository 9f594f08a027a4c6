"""The console's pages as handlers; each page's twin answers the same values as JSON."""
