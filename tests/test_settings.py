"""Settings: what is wrong is named, and what is secret is not shown."""

from __future__ import annotations

import pytest

from everloop.errors import InvalidInput
from everloop.settings import load_settings


def test_a_setting_of_another_type_is_named_and_not_shown() -> None:
    with pytest.raises(InvalidInput) as refused:
        load_settings({"token": 31415926}, {})
    assert "31415926" not in str(refused.value.to_dict())
    assert refused.value.path == "settings.token"


def test_the_environment_overrides_the_file() -> None:
    found = load_settings({"token": "a", "server": "b"}, {"EVERLOOP_TOKEN": "c"})
    assert (found.token, found.server) == ("c", "b")


@pytest.mark.parametrize("value", [0, -1, "much", float("nan"), 1e9, None])
def test_limits_are_numbers_within_bounds(value: object) -> None:
    for name in ("max_body_mb", "max_artifact_mb"):
        with pytest.raises(InvalidInput) as refused:
            load_settings({name: value}, {})
        assert refused.value.path == f"settings.{name}"
    assert load_settings({}, {"EVERLOOP_MAX_ARTIFACT_MB": "20"}).max_artifact_mb == 20
