"""What the clients of others ask, in environments that have no everloop."""

from __future__ import annotations

import numpy as np

# Endpoint ``flights`` takes four numbers, ``trips`` columns of several types.
ROWS = np.arange(12, dtype=np.float64).reshape(3, 4)
RECORDS = [{f"x{place}": value for place, value in enumerate(row)} for row in ROWS.tolist()]
TRIP = {"age": 30, "carrier code": "UA", "zone": "2", "member": True, "leaves": "2013-01-05T17:30"}
