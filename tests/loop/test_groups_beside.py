"""Groups of a column that the model does not read: from requests and logged rows to windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from loop_stream import T0, Traffic, carry_out, declaration, rows

from everloop.cli.window import command as window_verb
from everloop.data.schema import Schema
from everloop.data.segments import FeedbackRecord, PredictionRecord, encode_record
from everloop.deploy.serving.inputs import InputReader
from everloop.deploy.serving.openapi import record_schema
from everloop.errors import InvalidInput
from everloop.loop.answers import PackagedModel
from everloop.loop.checking import check
from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.monitor.foreign import Columns, from_inference_table, log_rows
from everloop.monitor.spans import DAY

SECTIONS: dict[str, Any] = {
    "data": {"ignore": ["sex"]},
    "evaluate": {
        "gates": ["accuracy gap by sex <= 0.5", "accuracy >= 0.1"],
        "sensitive": ["sex", "z"],
    },
}


def with_sex(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    return frame.with_columns(sex=pl.Series(rng.choice(["f", "m"], frame.height)))


@pytest.fixture
def loop(project: Project) -> Loop:
    source = project.dir / "rows.csv"
    with_sex(pl.read_csv(source), np.random.default_rng(3)).write_csv(source)
    project.cycles.save_loop(declaration(**SECTIONS), actor="t")
    loop = Loop(project, project.cycles.declaration("flow"))
    cycle = carry_out(project, loop.run(wait=False))
    assert cycle.verdict == "promoted", cycle.reason
    return loop


class Sent(Traffic):
    """Requests that carry the column too, as the data plane logs them; or that do not."""

    def sent(self, frame: pl.DataFrame, carried: bool) -> None:
        champion = self.project.champion("flow")
        assert champion is not None
        model = PackagedModel(*self.project.package(champion))
        schema, answers = model.package.schema, model.answers(frame)
        assert answers.proba is not None
        times = frame["t"].dt.epoch("ms").to_list()
        names = [*schema.names, *(["sex"] if carried else [])]
        record = PredictionRecord(
            at=max(times),
            request=frame["id"][0],
            endpoint="flow",
            version=champion.version,
            arm="champion",
            ids=frame["id"].to_list(),
            times=times,
            columns={name: frame[name].to_list() for name in names},
            y=[schema.classes[code] for code in answers.pred],
            p=answers.proba.tolist(),
            ms=1.0,
        )
        self._predictions.append(encode_record(record))
        labels = FeedbackRecord(
            at=record.at, endpoint="flow", ids=record.ids, labels=frame["y"].to_list()
        )
        self._feedback.append(encode_record(labels))


def schema_of(loop: Loop) -> Schema:
    return loop.project.package(loop.version())[1].schema


def test_windows_show_the_groups_of_what_requests_carry(project: Project, loop: Loop) -> None:
    assert schema_of(loop).beside == ("sex",) and "sex" not in schema_of(loop).names
    traffic = Sent(project)
    for day, carried in ((0, True), (1, False), (2, True)):
        frame = rows(traffic.rng, day, 400, False, False)
        traffic.sent(with_sex(frame, traffic.rng), carried)
    loop.monitor()
    first, second = (
        window.performance or {} for window in reversed(project.windows.page("flow", limit=2))
    )
    sex, z = first["fairness"]
    assert sex["columns"] == ["sex"] and {g["name"] for g in sex["groups"]} == {"f", "m"}
    assert sum(g["rows"] for g in sex["groups"]) == 400 and z["columns"] == ["z"]
    assert [gate["verdict"] for gate in first["gates"]] == ["pass", "pass"]
    assert second["fairness"][0]["note"] == "No labelled row came with sex."
    assert second["gates"][0]["verdict"] == "not_enough_evidence"
    shown = CliRunner().invoke(window_verb, ["--dir", str(project.dir)]).output
    assert "No labelled row came with sex." in shown and "selected" in shown
    labelled = project.log.labelled("flow", schema_of(loop))
    assert set(labelled["sex"].drop_nulls()) == {"f", "m"}  # the next test judges by them too
    older = msgspec.structs.replace(schema_of(loop), beside=())
    assert "sex" not in project.log.labelled("flow", older).columns


def test_requests_may_carry_it_and_need_not(loop: Loop) -> None:
    reader = InputReader(schema_of(loop))
    bare = {"x": 1.0, "z": 0.0}
    for body in ([bare | {"sex": "m"}, bare], {"x": [1.0, 1.0], "z": [0, 0], "sex": ["m", None]}):
        read = reader.read(msgspec.json.encode(body))
        assert list(read.columns["sex"]) == ["m", None] and read.X.tolist() == [[1.0, 0.0]] * 2
    assert reader.read(msgspec.json.encode([bare])).columns == {}
    assert reader.from_columns({"x": [1.0], "z": [0.0], "sex": [3]}).columns == {"sex": [3]}
    with pytest.raises(InvalidInput, match=r"\$\[0\]\.sex: got .*expected text, a number"):
        reader.read(msgspec.json.encode([bare | {"sex": ["m"]}]))
    with pytest.raises(InvalidInput, match="only the model's columns"):
        reader.read(msgspec.json.encode([bare | {"six": "m"}]))
    told = record_schema(reader)
    assert "sex" in told["properties"] and "sex" not in told["required"]


def test_rows_that_are_logged_from_elsewhere_bring_it(loop: Loop) -> None:
    table = pl.DataFrame(
        {"id": ["a"], "t": [T0], "x": [1.0], "z": [0.0], "sex": ["f"], "prediction": [True]}
    )
    part, _ = log_rows(table, Columns(), schema_of(loop), 1, T0 + DAY)
    assert part["x.sex"].to_list() == ["f"]
    inference = pl.DataFrame(
        {
            "client_request_id": ["a"],
            "timestamp_ms": [T0],
            "request": ['{"dataframe_records": [{"x": 1, "z": 0, "sex": "m", "odd": 1}]}'],
            "response": ['{"predictions": [true]}'],
        }
    )
    found, columns = from_inference_table(inference, schema_of(loop))
    part, _ = log_rows(found, columns, schema_of(loop), 1, T0 + DAY)
    assert part["x.sex"].to_list() == ["m"] and "x.?sex" not in part.columns


def test_the_check_says_where_such_groups_come_from(tmp_path: Path) -> None:
    frame = rows(np.random.default_rng(0), 0, 200, False, False).drop("id", "t")
    with_sex(frame, np.random.default_rng(1)).write_csv(tmp_path / "d.csv")
    file = tmp_path / "everloop.toml"
    text = '[data]\nsource = "d.csv"\ntarget = "y"\nignore = ["sex"]\n[evaluate]\n'
    file.write_text(text + 'sensitive = ["sex"]\n[monitor.log]\ndrop = ["sex"]\n')
    notes = check(tmp_path).notes
    assert any("monitor.log hides sex" in note for note in notes), notes
    file.write_text(text + 'sensitive = ["sex"]\n')
    assert any("The model does not read sex: a window knows" in n for n in check(tmp_path).notes)
