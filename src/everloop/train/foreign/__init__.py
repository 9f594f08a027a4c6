"""Models that were made elsewhere, turned into the one form that is served: our ONNX.

A format is one file here with one function from the file to a :class:`Brought`. Turning them at
registration, not at loading, has reasons: what cannot be served is refused while a person looks,
the data plane needs no other library than onnxruntime, and every protocol, the log, explanations
and exports work with the result as with a model that was trained here.
"""
