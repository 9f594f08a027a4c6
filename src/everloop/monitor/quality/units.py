"""Known changes of unit, as the affine maps that they make of a value."""

from __future__ import annotations

from typing import NamedTuple


class UnitChange(NamedTuple):
    """``new = factor * old + offset``, and what it is called."""

    factor: float
    offset: float
    name: str

    def phrase(self) -> str:
        """``multiplied by 1.609: miles → kilometres``."""
        if self.offset or self.factor == 1:
            return f"converted: {self.name}"
        small = self.factor < 1 and round(1 / self.factor, 9) == round(1 / self.factor)
        how = f"divided by {1 / self.factor:.4g}" if small else f"multiplied by {self.factor:.4g}"
        return f"{how}: {self.name}" if self.name else how


# Factors by their exact definitions (BIPM, SI brochure; NIST SP 811).
_PAIRS = (
    (1.609344, "miles", "kilometres"),
    (1.852, "nautical miles (knots)", "kilometres (km/h)"),
    (1.150779, "nautical miles (knots)", "miles (mph)"),
    (3.280840, "metres", "feet"),
    (2.54, "inches", "centimetres"),
    (25.4, "inches", "millimetres"),
    (12.0, "feet", "inches"),
    (2.204623, "kilograms", "pounds"),
    (28.349523, "ounces", "grams"),
    (3.785412, "US gallons", "litres"),
    (3.6, "metres per second", "kilometres per hour"),
    (2.236936, "metres per second", "miles per hour"),
    (33.863886, "inches of mercury", "hectopascals"),
    (4.184, "calories", "joules"),
    (57.29578, "radians", "degrees"),
    (24.0, "days", "hours"),
    (7.0, "weeks", "days"),
    (60.0, "hours → minutes, or minutes", "seconds"),
    (3600.0, "hours", "seconds"),
    (86400.0, "days", "seconds"),
    (10.0, "a unit", "its tenth (cm → mm)"),
    (100.0, "a unit", "its hundredth (m → cm, share → per cent, euros → cents)"),
    (1000.0, "a unit", "its thousandth (km → m, kg → g, s → ms)"),
    (1e6, "a unit", "its millionth (s → µs)"),
    (1e9, "a unit", "its billionth (s → ns)"),
)

_AFFINE = (
    UnitChange(5 / 9, -160 / 9, "degrees Fahrenheit → Celsius"),
    UnitChange(9 / 5, 32.0, "degrees Celsius → Fahrenheit"),
    UnitChange(1.0, 273.15, "degrees Celsius → kelvins"),
    UnitChange(1.0, -273.15, "kelvins → degrees Celsius"),
    UnitChange(5 / 9, 459.67 * 5 / 9, "degrees Fahrenheit → kelvins"),
    UnitChange(9 / 5, -459.67, "kelvins → degrees Fahrenheit"),
)

_BACK = {
    10.0: "tenth of a unit → the unit (mm → cm)",
    100.0: "hundredth of a unit → the unit (cm → m, per cent → share, cents → euros)",
    1000.0: "thousandth of a unit → the unit (m → km, g → kg, ms → s)",
    1e6: "millionth of a unit → the unit (µs → s)",
    1e9: "billionth of a unit → the unit (ns → s)",
    60.0: "seconds → minutes, or minutes → hours",
}

KNOWN: tuple[UnitChange, ...] = (
    *(UnitChange(factor, 0.0, f"{old} → {new}") for factor, old, new in _PAIRS),
    *(
        UnitChange(1 / factor, 0.0, _BACK.get(factor, f"{new} → {old}"))
        for factor, old, new in _PAIRS
    ),
    *_AFFINE,
)
