"""Several graphs over the same ``X`` as one."""

from __future__ import annotations

from onnx import ModelProto, compose, load_model_from_string


def side_by_side(models: list[bytes], output: int = 0) -> tuple[ModelProto, list[str]]:
    """All graphs as one without outputs, and the names of what each answered as ``output``."""
    parts = [
        compose.add_prefix(load_model_from_string(m), f"part{i}.", rename_inputs=False)
        for i, m in enumerate(models)
    ]
    outputs = [part.graph.output[output].name for part in parts]
    whole = parts[0]
    del whole.graph.output[:]
    for part in parts[1:]:
        whole.graph.node.extend(part.graph.node)
        whole.graph.initializer.extend(part.graph.initializer)
    return whole, outputs
