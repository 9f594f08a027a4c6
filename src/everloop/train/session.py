"""A graph that is asked while others train."""

from __future__ import annotations

import onnxruntime


def session_of(graph: bytes) -> onnxruntime.InferenceSession:
    """What answers by an ONNX graph, on the processor.

    Its threads sleep when they wait: those that spin take the cores from whatever else is trained.
    Raises what onnxruntime does of a graph that is not sound.
    """
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
