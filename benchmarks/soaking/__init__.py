"""The parts of ``benchmarks/soak.py``: a stand of real processes, its callers and the accounts."""
