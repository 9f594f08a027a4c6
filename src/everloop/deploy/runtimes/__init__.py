"""What answers for a package: one file a runtime, chosen by ``runtime`` in ``package.toml``."""

from everloop.deploy.runtimes.loading import load_runtime

__all__ = ["load_runtime"]
