"""A model card in Markdown, filled from the report.

Its headings are those of M. Mitchell and others, Model Cards for Model Reporting (FAT*, 2019).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from everloop.evaluate.report._base import Report


def render_card(report: Report) -> str:
    """The card. What a person has to say (intended use, ethics) is asked for, not made up."""
    day = datetime.fromtimestamp(report.created / 1000, UTC).strftime("%Y-%m-%d")
    parts = [
        f"# Model card: {report.model}",
        "## Model details",
        f"- Kind: {report.algorithm}, {report.task}, predicts `{report.target}`",
        f"- Made: {day}" + (f", by cycle {report.cycle}" if report.cycle else ""),
        *_training(report),
        "## Intended use",
        "_To be written by those who use it: for what, by whom, and for what not._",
        "## Factors",
        *_factors(report),
        "## Metrics",
        *_metrics(report),
        "## Evaluation data",
        *_data(report),
        "## Quantitative analyses",
        *_analyses(report),
        "## Caveats and recommendations",
        *_caveats(report),
    ]
    return "\n".join(_spaced(parts)) + "\n"


def _spaced(lines: list[str]) -> list[str]:
    """A blank line around headings and tables."""
    out: list[str] = []
    for line in lines:
        if out and (line.startswith("#") or out[-1].startswith("#")):
            out.append("")
        out.append(line)
    return out


def _training(report: Report) -> list[str]:
    if report.training is None:
        return []
    tried = ", ".join(str(c.get("algorithm")) for c in report.training.candidates)
    found = report.training
    on = f", on {found.validation}" if found.validation else ""
    lines = [f"- Chosen by {found.metric} among: {tried}{on}"]
    if found.nested:
        value, low, high = (found.nested[key] for key in ("value", "low", "high"))
        within = "" if low is None else f" ({low:.4g} to {high:.4g})"
        lines.append(f"- Choosing itself, in outer parts: {found.metric} {value:.4g}{within}")
    return lines


def _factors(report: Report) -> list[str]:
    if report.fairness_note:
        return [report.fairness_note]
    missing = [f"- {line}" for line in report.left_out if line.startswith("fairness by ")]
    if not report.fairness and not missing:
        return ["No groups were named for this model."]
    found = [f"- {' × '.join(f.columns)}: {len(f.groups)} groups" for f in report.fairness]
    return found + missing


def _metrics(report: Report) -> list[str]:
    found: dict[str, Any] = report.tested.get("metrics") or {}
    if not found:
        return ["None was measured."]
    out = ["| metric | value | 95 % interval |", "| --- | --- | --- |"]
    for name, m in found.items():
        low, high = m.get("low"), m.get("high")
        interval = "" if low is None or high is None else f"{low:.4g} to {high:.4g}"
        out.append(f"| {name} | {m['value']:.4g} | {interval} |")
    return [*out, *_labels(report)]


def _labels(report: Report) -> list[str]:
    if not report.labels:
        return []
    out = ["", "| label | rows | precision | recall | F1 |", "| --- | --- | --- | --- | --- |"]
    for one in report.labels:
        numbers = (one.precision, one.recall, one.f1)
        shown = " | ".join("" if v is None else f"{v:.4g}" for v in numbers)
        out.append(f"| {one.label} | {one.rows:,} | {shown} |")
    return out


def _data(report: Report) -> list[str]:
    data = report.data
    if data is None:
        return ["Not described."]
    out = [f"- {data.test_rows:,} held-out rows" + (f" ({data.how})" if data.how else "")]
    if data.train_rows:
        out.append(f"- {data.train_rows:,} training rows of {len(data.columns)} features")
    if data.dataset:
        out.append(f"- Dataset version `{data.dataset}`")
    return out


def _analyses(report: Report) -> list[str]:
    out = [
        f"- Gate `{g['gate']}`: {str(g['verdict']).replace('_', ' ')}. {g.get('detail', '')}"
        for g in report.tested.get("gates") or []
    ]
    for f in report.fairness:
        if f.demographic_parity_ratio is not None:
            word = "within" if f.four_fifths else "below"
            out.append(
                f"- Selection rates by {' × '.join(f.columns)}: ratio "
                f"{f.demographic_parity_ratio:.3g}, {word} four fifths"
            )
        out += [
            f"- {gap.metric} by {' × '.join(f.columns)}: {gap.highest} and {gap.lowest} are "
            f"{gap.value:.3g} apart ({gap.low:.3g} to {gap.high:.3g})"
            for gap in f.gaps
        ]
    if report.importances:
        top = ", ".join(i.feature for i in report.importances[:5] if i.drop > 0)
        out.append(f"- It looks most at: {top or 'no feature'}")
    return out or ["None."]


def _caveats(report: Report) -> list[str]:
    out = []
    if report.slices is not None and report.slices.worst:
        worst = report.slices.worst[0]
        out.append(
            f"- Worst among `{worst.name}` ({worst.rows:,} rows): {report.slices.metric} "
            f"{worst.value:.4g}, {report.slices.overall:.4g} on all rows"
        )
    for part in (report.data, report.training):
        out += [f"- {note}" for note in (part.notes if part is not None else [])]
    return out or ["None was found by the checks that ran."]
