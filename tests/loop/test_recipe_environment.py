"""What a recipe says of the packages around it."""

from __future__ import annotations

from importlib.metadata import version

from everloop.loop.recipe import environment


def test_packages_are_named_with_the_versions_that_python_knows() -> None:
    found = environment()
    for name in ("numpy", "polars", "scikit-learn", "everloop"):
        assert found[f"package {name}"] == version(name)
    assert all(found.values())
