"""Which incidents a rule is about, and what they are told together with."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from typing import get_args

from everloop.errors import did_you_mean, invalid
from everloop.monitor.alerting.channels._base import channel_of
from everloop.monitor.alerting.incidents import Incident
from everloop.monitor.alerting.notice import RANK
from everloop.monitor.spec import MonitorSpec, RuleSpec
from everloop.monitor.windows import AlertKind

VERDICTS = (
    "all", "promoted", "registered", "not_worth_it", "rejected", "refused", "rolled_back",
    "declined", "failed", "waiting",
)  # fmt: skip


def named(rules: tuple[RuleSpec, ...]) -> list[tuple[str, RuleSpec]]:
    """Each rule with the name that it goes by."""
    return [(rule.name or f"alerts[{place}]", rule) for place, rule in enumerate(rules)]


def concerns(rule: RuleSpec, incident: Incident) -> bool:
    """Whether a rule is about an incident, however long that has been there.

    A rule of verdicts that names no kinds is about no incident at all.
    """
    if rule.verdicts and not rule.kinds:
        return False
    return (
        (not rule.kinds or incident.kind in rule.kinds)
        and RANK[incident.severity] >= RANK[rule.severity]
        and fnmatchcase(incident.feature or "", rule.feature)
        and fnmatchcase(incident.segment or "", rule.segment)
    )


def tells(rule: RuleSpec, verdict: str) -> bool:
    """Whether a rule tells of a cycle that ended so, or waits."""
    return verdict in rule.verdicts or "all" in rule.verdicts


def key_of(name: str, rule: RuleSpec, incident: Incident) -> str:
    """The same for all incidents that a rule tells as one."""
    parts = [name, incident.endpoint, *(str(getattr(incident, by) or "") for by in rule.group)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def check_alerts(spec: MonitorSpec) -> None:
    """Raise InvalidInput for a rule or a channel that cannot work."""
    for name, table in spec.channels.items():
        channel_of(table, f"monitor.channels.{name}")
    names = [name for name, _ in named(spec.alerts)]
    for place, rule in enumerate(spec.alerts):
        _check_rule(f"monitor.alerts[{place}]", rule, spec)
        if names.count(names[place]) > 1:
            raise invalid(f"monitor.alerts[{place}].name", names[place], "a name of its own")


def _check_rule(path: str, rule: RuleSpec, spec: MonitorSpec) -> None:
    kinds = get_args(AlertKind)
    for field, given, known in (
        ("kinds", rule.kinds, kinds),
        ("verdicts", rule.verdicts, VERDICTS),
        ("channels", rule.channels, tuple(spec.channels)),
    ):
        for word in given:
            if word not in known:
                raise invalid(
                    f"{path}.{field}", word, "one of " + (", ".join(known) or "[monitor.channels]"),
                    fix=did_you_mean(word, known),
                )  # fmt: skip
    if not rule.channels:
        raise invalid(f"{path}.channels", [], "the name of one of [monitor.channels] at least")
    if rule.windows < 1:
        raise invalid(f"{path}.windows", rule.windows, "1 or more")
