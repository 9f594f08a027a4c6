"""What a webhook can be told of, and what it is told: names and data as MLflow has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everloop.errors import InvalidInput, invalid

_TAGS = {"example_key": "example_value"}
_VERSION = {"name": "example_model", "version": "1"}
_PROMPT = {"name": "example_prompt"}
_TAG = {"key": "example_key", "value": "example_value"}

EXAMPLES: dict[str, dict[str, Any]] = {
    "registered_model.created": {
        "name": "example_model", "tags": _TAGS, "description": "An example registered model",
    },
    "model_version.created": {
        **_VERSION, "source": "models:/123", "run_id": "abcd1234abcd5678", "tags": _TAGS,
        "description": "An example model version",
    },
    "model_version_tag.set": {**_VERSION, **_TAG},
    "model_version_tag.deleted": {**_VERSION, "key": "example_key"},
    "model_version_alias.created": {
        "name": "example_model", "alias": "example_alias", "version": "1",
    },
    "model_version_alias.deleted": {"name": "example_model", "alias": "example_alias"},
    "prompt.created": {**_PROMPT, "tags": _TAGS, "description": "An example prompt"},
    "prompt_version.created": {
        **_PROMPT, "version": "1", "template": "Hello {{name}}!", "tags": _TAGS,
        "description": "An example prompt version",
    },
    "prompt_tag.set": {**_PROMPT, **_TAG},
    "prompt_tag.deleted": {**_PROMPT, "key": "example_key"},
    "prompt_version_tag.set": {**_PROMPT, "version": "1", **_TAG},
    "prompt_version_tag.deleted": {**_PROMPT, "version": "1", "key": "example_key"},
    "prompt_alias.created": {**_PROMPT, "alias": "example_alias", "version": "1"},
    "prompt_alias.deleted": {**_PROMPT, "alias": "example_alias"},
}  # fmt: skip
"""Everything that happens to models and prompts, each with the data that a test sends."""

UNHEARD = frozenset({"budget_policy.exceeded"})
"""Known to MLflow's clients; never happens here, but may be asked for."""


def check_events(events: Sequence[str]) -> list[str]:
    """The events, each once; raises InvalidInput for none and for one that there is not."""
    if not events:
        raise invalid("events", [], "at least one, such as model_version.created")
    for event in events:
        if event not in EXAMPLES and event not in UNHEARD:
            raise unknown(event)
    return list(dict.fromkeys(events))


def unknown(event: str) -> InvalidInput:
    """The refusal of an event that there is not."""
    entity = event.partition(".")[0]
    known = [one for one in EXAMPLES if one.startswith(f"{entity}.")] or list(EXAMPLES)
    return invalid("events", event, "one of " + ", ".join(known), code="unknown_event")
