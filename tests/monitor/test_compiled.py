from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everloop.monitor import compiled, cuts, encoding
from everloop.monitor.compiled import BLOCK, Loops, by_hash, by_place
from everloop.monitor.cuts import Counts, Cuts
from everloop.monitor.profile import sketch_number

PLAIN = Loops(by_place, by_hash)  # the same loops, as Python runs them

any_value = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e100, 1e100),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324]),
)


def both(cuts_of: Cuts, values: np.ndarray, loops: Loops) -> tuple[Counts, Counts]:
    """What NumPy counts, and what the loops do."""
    numpy = cuts_of.count(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuts, "loops", lambda values: loops)
        return numpy, cuts_of.count(values)


def assert_same(one: Counts, two: Counts) -> None:
    assert one.within.tolist() == two.within.tolist()
    assert one.at.tolist() == two.at.tolist()
    assert (one.missing, one.infinite, one.low, one.high) == (
        two.missing,
        two.infinite,
        two.low,
        two.high,
    )


@given(
    st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-1e100, 1e100)), min_size=1),
    st.lists(any_value),
)
@settings(max_examples=150, deadline=None)
def test_the_loop_counts_what_numpy_does(before: list[float], now: list[float]) -> None:
    assert_same(*both(Cuts(sketch_number(np.array(before))), np.array(now), PLAIN))


@pytest.mark.parametrize("exact", [True, False])
def test_moments_of_the_loop_differ_by_rounding_alone(exact: bool) -> None:
    rng = np.random.default_rng(4)
    draw = rng.poisson if exact else rng.gamma
    values = draw(3.0, size=3 * BLOCK + 7).astype(np.float64)
    values[::17], values[3], values[9] = np.nan, -np.inf, 1e6
    numpy, loop = both(Cuts(sketch_number(draw(3.0, size=20_000).astype(float))), values, PLAIN)
    assert_same(numpy, loop)
    assert loop.total == pytest.approx(numpy.total, rel=1e-11)
    assert loop.squares == pytest.approx(numpy.squares, rel=1e-11)


def test_levels_are_counted_as_by_their_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = ("a", "bb", "never", "a level longer than twelve bytes")
    rng = np.random.default_rng(2)
    some = [*levels[:2], levels[3], "new", None]
    column = pl.Series([some[k] for k in rng.integers(0, 5, 5_000)], dtype=pl.String)
    told = encoding.tally(encoding.level_codes(column, levels), len(levels))
    assert min(told[0], told[1], *np.delete(told[2], 2)) > 500
    assert encoding.count_levels(column, levels) == told
    monkeypatch.setattr(encoding, "loops", lambda values: PLAIN)
    assert encoding.count_levels(column, levels) == told
    assert encoding.count_levels(column.cast(pl.Categorical), levels) == told


IN_MACHINE_CODE = """
import numpy as np
from everloop.monitor import compiled
from everloop.monitor.cuts import Cuts
from everloop.monitor.encoding import count_levels
from everloop.monitor.profile import sketch_number
import polars as pl

rng = np.random.default_rng(1)
sides = []
for draw in (rng.standard_normal, rng.standard_cauchy, lambda n: np.round(rng.normal(size=n) * 8)):
    now = draw(100_003)
    now[::19], now[5], now[7] = np.nan, np.inf, -np.inf
    sides.append((Cuts(sketch_number(draw(20_000))), now))
text = pl.Series(["a", "b", "new", None])[rng.integers(0, 4, 100_003).astype(np.uint32)]


def counted():
    told = [cuts.count(now) for cuts, now in sides]
    return told, count_levels(text, ("a", "b", "c"))


plain = counted()
compiled.PAYS = 1_000_000  # of which this was less than half
assert compiled._counted < compiled.PAYS and compiled._loops == "not loaded"
loops = compiled.load()
assert loops.by_place.nopython_signatures
fast = counted()
assert plain[1] == fast[1]
for one, two in zip(plain[0], fast[0]):
    assert (one.within == two.within).all() and (one.at == two.at).all()
    assert (one.missing, one.infinite, one.low, one.high) == (
        two.missing, two.infinite, two.low, two.high)
    assert np.allclose([one.total, one.squares], [two.total, two.squares], rtol=1e-9)
"""


def in_a_process(cache: Path) -> str:
    kept = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
    done = subprocess.run(
        [sys.executable, "-c", IN_MACHINE_CODE],
        env=kept | {"NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stderr


def test_machine_code_counts_what_numpy_does_and_is_kept(tmp_path: Path) -> None:
    assert in_a_process(tmp_path) == ""
    assert len(list(tmp_path.rglob("compiled.by_*.nbc"))) == 2


def test_loops_come_once_they_pay_and_never_where_numba_may_not_compile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled, "_counted", 0)
    monkeypatch.setattr(compiled, "_loops", PLAIN)
    assert compiled.loops(compiled.PAYS - 1) is None
    assert compiled.loops(1) is PLAIN
    monkeypatch.setattr(compiled, "_loops", "not loaded")
    assert compiled.loops(1) is None  # NUMBA_DISABLE_JIT, see conftest
    monkeypatch.setattr(compiled, "_loops", "not loaded")
    monkeypatch.setitem(sys.modules, "numba", None)  # importing it fails, as where it is not there
    assert compiled.loops(1) is None
