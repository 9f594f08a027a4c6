"""Studies."""

from __future__ import annotations

from starlette.responses import Response

from everloop.console.runs.study import AskedOf, StudyPage, read_study
from everloop.server.call import Call
from everloop.server.pages._base import shown


def study(call: Call) -> Response:
    return shown("study.html", study_json(call))


def study_json(call: Call) -> StudyPage:
    given = {name: call.query.get(name, "") for name in AskedOf.__struct_fields__}
    return read_study(call.project, call.path["study"], AskedOf(**given))
