"""Made-up tables that drift or do not, the same for every side of benchmarks/false_alarms.py.

Sixteen numbers (normal, uniform, skewed, whole) and four categories. Three of the twenty change at
window 1; window 0 is the reference. Only NumPy is needed, so peers read it in environments of
their own.
"""

import numpy as np

NUMBERS = [f"x{i}" for i in range(16)]
CATEGORIES = [f"c{i}" for i in range(4)]
FEATURES = NUMBERS + CATEGORIES
LEVELS = np.array(["a", "b", "c", "d", "e"])
SHARES = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
GRADUAL = 0.02  # standard deviations a window

# What changes, and in which features.
CASES = {
    "quiet": [],
    "shift 0.1 sd": ["x0", "x1", "x2"],
    "shift 0.3 sd": ["x0", "x1", "x2"],
    "shift 0.5 sd": ["x0", "x1", "x2"],
    "scale 1.2": ["x0", "x1", "x2"],
    "two levels swap": ["c0", "c1", "c2"],
    "correlation 0.6": ["x0", "x1", "x2"],
    "gradual": ["x0", "x1", "x2"],
    "0.5 sd in a quarter": ["x0", "x1", "x2"],  # of the rows: those of one level of c0
}


def table(case: str, seed: int, window: int, rows: int) -> dict[str, np.ndarray]:
    """The features of one window."""
    rng = np.random.default_rng([seed, window, 7])
    z = rng.normal(size=(rows, len(NUMBERS)))
    if window > 0:
        if case.startswith("shift"):
            z[:, :3] += float(case.split()[1])
        elif case.startswith("scale"):
            z[:, :3] *= float(case.split()[1])
        elif case == "gradual":
            z[:, :3] += GRADUAL * window
        elif case.startswith("correlation"):
            together = float(case.split()[1])
            for i in (1, 2):
                z[:, i] = together * z[:, 0] + np.sqrt(1 - together**2) * z[:, i]
    columns = {}
    for i, name in enumerate(NUMBERS):
        x = z[:, i]
        # The first six stay normal, so that a shift in standard deviations is what it says.
        if 6 <= i < 10:
            x = np.exp(x / 2)
        elif 10 <= i < 13:
            x = np.round(3 * x)
        columns[name] = x
    for i, name in enumerate(CATEGORIES):
        shares = SHARES
        if case == "two levels swap" and window > 0 and i < 3:
            shares = SHARES[[0, 2, 1, 3, 4]]
        columns[name] = LEVELS[rng.choice(5, size=rows, p=shares)]
    if case.endswith("in a quarter") and window > 0:
        for name in CASES[case]:
            columns[name] = columns[name] + 0.5 * (columns["c0"] == "b")
    return columns
