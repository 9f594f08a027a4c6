"""The parts of ``benchmarks/serving.py``: the sides, their models, and how they are asked."""
