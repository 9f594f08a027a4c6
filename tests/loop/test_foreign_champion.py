"""A champion that was made elsewhere takes over from one that was tested here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from loop_stream import T0, Traffic, declaration
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from everloop.errors import NotFound
from everloop.loop.direct import promoted
from everloop.loop.evaluating import expectations_of
from everloop.loop.foreign import How
from everloop.loop.project import Project
from everloop.loop.registering import registered
from everloop.loop.watching import look
from everloop.monitor.spans import DAY

LATE = declaration(monitor={"performance": {"labels_after": "2d"}})


def made_elsewhere(project: Project, data: str | None) -> None:
    """The next version, and the champion: a model of the same columns, by scikit-learn."""
    champion = project.champion("flow")
    assert champion is not None
    schema = project.package(champion)[1].schema
    rows = pl.read_csv(project.dir / "rows.csv").select(*schema.names, "y")
    X = rows.select(schema.names).to_numpy().astype(np.float32)
    model = LogisticRegression().fit(X, rows["y"].to_numpy().astype(int))
    path = Path(project.dir) / "elsewhere.onnx"
    path.write_bytes(to_onnx(model, X[:1]).SerializeToString())
    how = How(schema=schema, data=data)
    promoted(project, registered(project, str(path), "flow", how, actor="ann"), actor="ann")


@pytest.mark.parametrize("data", [None, "rows.csv"])
def test_windows_of_the_one_before_are_scored_when_their_labels_are_due(
    project: Project, data: str | None
) -> None:
    project.cycles.save_loop(LATE, actor="ann")
    traffic = Traffic(project)
    traffic.day(0)
    traffic.day(1)
    look(project, LATE, actor=None)
    assert (project.windows.get("flow", T0).performance or {})["state"] == "waiting"
    made_elsewhere(project, data)
    for day in range(2, 6):
        traffic.day(day)
    look(project, LATE, actor=None)
    first = project.windows.get("flow", T0)
    assert first.performance is not None and first.performance["state"] == "done"
    assert first.labelled == 400 and first.performance["version"] == 1
    assert first.performance["tested"] == first.performance["baseline"]["value"] < 1
    own = project.windows.page("flow")[0]  # of what nothing was ever said labels are counted
    assert own.start == T0 + (4 if data else 0) * DAY
    assert data is None or (own.performance or {})["state"] == "counted"
    look(project, LATE, actor=None)
    assert project.windows.get("flow", T0).updated == first.updated
    if data is None:
        with pytest.raises(NotFound, match="made elsewhere, and nothing says what its rows are"):
            expectations_of(project, LATE)
