"""Where versions and datasets came from, and where they went."""

from __future__ import annotations

from everloop.loop.lineage import Lineage, dataset_lineage, version_lineage
from everloop.server.call import Call


def of_version(call: Call) -> Lineage:
    version = call.project.registry.version(call.path["model"], call.number("version"))
    return version_lineage(call.project, version)


def of_dataset(call: Call) -> Lineage:
    return dataset_lineage(call.project, call.path["digest"])
