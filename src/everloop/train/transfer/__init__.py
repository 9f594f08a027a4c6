"""From a model to another task, segment or schema: what of it can be taken along."""
