"""Charts: well-formed, escaped, and in the right place."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

from everloop.console.drawing.charts import line_chart
from everloop.console.drawing.scales import (
    inner_ticks,
    number_label,
    round_ticks,
    time_label,
    time_ticks,
)

SVG = "{http://www.w3.org/2000/svg}"
DAY = 86_400_000.0


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


def heights(text: str, line: int = 0) -> list[float]:
    """y coordinates of the points of a line, top of the page is 0."""
    path = re.search(rf'<path d="([^"]*)" class="line s{line}"', text)
    assert path
    return [float(pair.split()[1]) for pair in re.split("[ML]", path[1]) if pair]


def test_higher_values_stand_higher() -> None:
    drawn = heights(line_chart({"a": [(0, 1.0), (1, 3.0), (2, 2.0)]}, "t"))
    assert drawn[1] < drawn[2] < drawn[0]


def test_text_is_escaped_everywhere() -> None:
    evil = '"><script>alert(1)</script>\x00&'
    text = line_chart({evil: [(0, 1.0), (1, 2.0)]}, evil, evil, evil, [(0.5, evil)])
    assert "<script" not in text
    assert parsed(text).get("aria-label", "").startswith('"><script>alert(1)</script>&')


def test_missing_values_break_the_line() -> None:
    text = line_chart({"a": [(0, 1.0), (1, 2.0), (2, None), (3, math.nan), (4, 1.5)]}, "t")
    path = re.search(r'<path d="([^"]*)"', text)
    assert path and path[1].count("M") == 2 and path[1].count("L") == 1


def test_a_step_line_holds_its_value_until_the_next() -> None:
    text = line_chart({"a": [(0, 1.0), (1, 2.0), (2, 2.0)]}, "t", steps=("a",))
    path = re.search(r'<path d="([^"]*)"', text)
    assert path and (path[1].count("H"), path[1].count("V"), "L" in path[1]) == (2, 2, False)
    assert "<circle" not in text


def test_a_band_breaks_where_its_ends_are_unknown() -> None:
    band = [(0, 0.5, 1.5), (1, 1.5, 2.5), (2, None, None), (3, 1.0, math.nan), (4, 1.0, 1.2)]
    text = line_chart({"a": [(x, 1.0) for x in range(5)]}, "t", band=band)
    assert text.count('class="band"') == 1
    ticks = [float(t) for t in re.findall(r'class="end">([0-9.]+)<', text)]
    assert min(ticks) <= 0.5 and max(ticks) >= 2.5


def test_nothing_yet_and_a_single_point() -> None:
    assert "no values yet" in line_chart({"a": []}, "t")
    assert "no values yet" in line_chart({"a": [(0, math.inf)]}, "t")
    one = parsed(line_chart({"a": [(5, 0.0)]}, "t"))
    assert len(one.findall(f"{SVG}circle")) == 1


def test_markers_of_one_kind_share_a_legend_entry() -> None:
    points = [(float(x), float(x)) for x in range(10)]
    root = parsed(line_chart({"a": points}, "t", markers=[(2, "up"), (5, "up"), (99, "up")]))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts.count("up") == 1
    assert (
        len([line for line in root.iter(f"{SVG}line") if line.find(f"{SVG}title") is not None]) == 2
    )


def test_only_a_standalone_chart_brings_its_style() -> None:
    points = {"a": [(0.0, 1.0), (1.0, 2.0)]}
    assert "<style>" in line_chart(points, "t")
    assert "style" not in line_chart(points, "t", standalone=False)


def test_ticks_are_round_and_cover_the_values() -> None:
    assert round_ticks(0.61, 0.69, 4) == [0.6, 0.62, 0.64, 0.66, 0.68, 0.7]
    assert round_ticks(-3, 12, 5) == [-5, 0, 5, 10, 15]
    assert inner_ticks(1, 9, 4) == [2, 4, 6, 8]
    assert [number_label(v, 0.05) for v in (0.6, 0, 1234.5)] == ["0.60", "0", "1,234.50"]


def test_time_ticks_fall_on_whole_days() -> None:
    ticks = time_ticks(0.5 * DAY, 20 * DAY, 7)
    assert ticks and all(tick % DAY == 0 for tick in ticks)
    assert time_label(ticks[0], 20 * DAY) == "08 Jan"
    assert time_label(3_600_000, DAY / 2) == "01:00"
