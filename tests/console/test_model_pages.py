"""Models, versions, datasets and their lineage, from the real stores, as pages and their twins."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from shelf import EVIL, NAME, Shelf
from starlette.testclient import TestClient

import everloop as el
from everloop.cli import command_of
from everloop.console.models.diffs import text_diff
from everloop.console.models.graph import tree
from everloop.deploy.package import MANIFEST, SIGNATURE
from everloop.errors import NotFound
from everloop.loop.lineage import dataset_lineage, version_lineage
from everloop.store.tables import model_versions

PLACE = f"/models/{quote(NAME, safe='')}"


def paths(filled: Shelf) -> list[str]:
    old, new = (one.digest for one in filled.datasets)
    return [
        "/datasets", f"/datasets/{old}", f"/datasets/{old}/compare?to={new}", PLACE,
        f"{PLACE}/versions/3", f"{PLACE}/versions/3/lineage", f"{PLACE}/compare?versions=1,3",
        "/endpoints", "/endpoints/shop", "/endpoints/shop/predictions", "/endpoints/shop/try",
    ]  # fmt: skip


def test_what_users_wrote_is_text_on_every_page(filled: Shelf, ask: TestClient) -> None:
    for path in paths(filled):
        page = ask.get(path)
        assert page.status_code == 200, (path, page.text)
        assert "<img" not in page.text.replace('<img src="/assets/', ""), path
        assert "<b onclick" not in page.text, path
        assert not re.search(r"<style|<script(?! src=\"/assets/)|\sstyle=|\son\w+=\"", page.text), (
            path
        )
        twin = path.replace("?", ".json?") if "?" in path else path + ".json"
        assert ask.get(twin).json()["at"] > 0, twin


def test_a_model_shows_how_its_aliases_moved(filled: Shelf, ask: TestClient) -> None:
    page = ask.get(PLACE).text
    assert "from version" in page and "by ann" in page and "follows the rollout" in page
    assert "Nobody is told of changes" in page
    moved = ask.get(PLACE + ".json").json()["moves"]
    assert [(one["alias"], one["before"], one["version"]) for one in moved] == [
        ("champion", 1, 2), ("champion", None, 1),
    ]  # fmt: skip
    told = ask.post(PLACE, data={"do": "alias", "alias": "best", "version": "3"})
    assert (told.status_code, told.headers["location"]) == (303, PLACE)
    assert filled.project.registry.aliases(NAME)["best"] == 3
    assert ask.post(PLACE, data={"do": "unalias", "alias": "best"}).status_code == 303
    assert "best" not in filled.project.registry.aliases(NAME)
    kinds = [e.kind for e in filled.project.events.latest(2, f"model:{NAME}")]
    assert kinds == ["model.alias_deleted", "model.alias_set"]


@pytest.mark.parametrize(
    ("form", "headers", "status"),
    [
        ({"do": "alias", "alias": "champion", "version": "1"}, {}, 409),
        ({"do": "alias", "alias": "best", "version": "x"}, {}, 422),
        ({"do": "alias", "alias": "v1", "version": "1"}, {}, 422),
        ({"do": "alias", "alias": "best", "version": "77"}, {}, 404),
        ({"do": "rename"}, {}, 422),
        ({"do": "alias", "alias": "best", "version": "1"}, {"origin": "https://x.example"}, 403),
    ],
)
def test_what_may_not_be_pointed(
    filled: Shelf, ask: TestClient, form: dict[str, str], headers: dict[str, str], status: int
) -> None:
    before = filled.project.registry.aliases(NAME)
    assert ask.post(PLACE, data=form, headers=headers).status_code == status
    assert filled.project.registry.aliases(NAME) == before


def test_a_version_shows_what_it_rests_on(filled: Shelf, ask: TestClient) -> None:
    page = ask.get(f"{PLACE}/versions/3").text
    for shown in (
        "signature verified", "signed by this project", "0.9000", "0.8000 to 0.9500",
        "accuracy &gt;= 0.5", "made from", "2.2.0", "seed = 2", "model.onnx", "What is different?",
        filled.datasets[1].digest[:12], "with changes that no commit holds",
    ):  # fmt: skip
        assert shown in page, shown
    place = f"{PLACE}/versions/3"
    for form in (
        {"do": "describe", "description": f"fine {EVIL}"},
        {"do": "tag", "key": EVIL, "value": "1"},
    ):
        assert ask.post(place, data=form).headers["location"] == place
    found = filled.project.registry.version(NAME, 3)
    assert (found.description, found.tags[EVIL]) == (f"fine {EVIL}", "1")
    assert "&lt;img src=x" in ask.get(place).text
    ask.post(place, data={"do": "untag", "key": EVIL})
    assert EVIL not in filled.project.registry.version(NAME, 3).tags
    assert ask.post(place, data={"do": "delete"}).status_code == 422


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "verified"),
        ({SIGNATURE: None}, "unsigned"),
        ({SIGNATURE: MANIFEST}, "unknown signer"),
        ({"model.onnx": MANIFEST}, "damaged"),
        ({MANIFEST: "model.onnx"}, "damaged"),
    ],
)
def test_a_signature_is_what_it_is(
    filled: Shelf, ask: TestClient, files: dict[str, str | None], state: str
) -> None:
    """The registry's row names other files than the package was signed with."""
    whole = dict(filled.project.registry.version(NAME, 1).files)
    changed = {**whole, **{path: whole.get(other or "") for path, other in files.items()}}
    kept = {path: digest for path, digest in changed.items() if digest}
    row = model_versions.c
    where = sa.update(model_versions).where(row.model == NAME, row.version == 1)
    try:
        with filled.project.db.write() as conn:
            conn.execute(where.values(files=str(kept).replace("'", '"')))
        found = ask.get(f"{PLACE}/versions/1.json").json()["packaged"]["signature"]
        assert found["state"] == state
        assert ask.get(f"{PLACE}/versions/1").status_code == 200
    finally:
        with filled.project.db.write() as conn:
            conn.execute(where.values(files=str(whole).replace("'", '"')))


def test_two_versions_beside_each_other(filled: Shelf, ask: TestClient) -> None:
    same = ask.get(f"{PLACE}/compare.json?versions=1,2").json()
    assert same["same_rows"] and same["schema"]["changed"] == []
    answers = same["answers"]
    assert (answers["where"], answers["rows"], answers["same"]) == ("held-out rows", 50, 0.8)
    assert answers["right"] == [1.0, 0.8] and sum(map(sum, answers["table"])) == 50
    assert [line["text"] for line in same["declaration"] if line["kind"] != "same"][1:] == [
        "seed = 0", "seed = 1",
    ]  # fmt: skip
    other = ask.get(f"{PLACE}/compare.json?versions=1,3").json()
    assert [one["name"] for one in other["schema"]["changed"]] == ["new"]
    assert {one["name"] for one in other["environment"]["changed"]} == {"package numpy"}
    assert [(o["name"], o["before"], o["after"]) for o in other["params"]["changed"]] == [
        ("depth", "3", "5")
    ]
    page = ask.get(f"{PLACE}/compare?versions=1,3").text
    assert "They were measured on different held-out rows" in page and "2.0.0" in page
    led = ask.get(f"{PLACE}/compare", params={"before": "1", "after": "3"})
    assert (led.status_code, led.headers["location"]) == (303, f"{PLACE}/compare?versions=1,3")
    assert ask.get(f"{PLACE}/compare?versions=1").status_code == 422
    assert ask.get(f"{PLACE}/compare?versions=1,9").status_code == 404


def test_a_dataset_is_drawn_and_compared(filled: Shelf, ask: TestClient) -> None:
    old, new = (one.digest for one in filled.datasets)
    page = ask.get(f"/datasets/{old}").text
    assert page.count('aria-label="histogram"') >= 5 and "50.0 %" in page
    assert f"{PLACE}/versions/2" in page and f'value="{new}"' in page
    found = ask.get(f"/datasets/{old}/compare.json?to={new}").json()
    assert [one["name"] for one in found["schema"]["changed"]] == ["new"]
    verdicts = {one["name"]: one["verdict"] for one in found["drift"]["columns"]}
    assert (verdicts["age"], verdicts["town"]) == ("drift", "no drift")
    listed = ask.get("/datasets.json").json()["datasets"]
    assert [one["digest"] for one in listed] == [new, old]
    assert ask.get("/datasets.json", params={"name": "other"}).json()["datasets"] == []
    assert ask.get(f"/datasets/{'0' * 64}").status_code == 404


def test_lineage_goes_from_the_data_to_the_labels(filled: Shelf, ask: TestClient) -> None:
    project, (old, new) = filled.project, filled.datasets
    graph = version_lineage(project, project.registry.version(NAME, 3))
    ways = {(edge.source, edge.target): edge.what for edge in graph.edges}
    third, second = f"version:{NAME}/3", f"version:{NAME}/2"
    for way, what in {
        (f"dataset:{old.digest}", f"dataset:{new.digest}"): "with newer rows",
        (f"labels:{new.digest}", f"dataset:{new.digest}"): "labelled rows of the log",
        (f"dataset:{new.digest}", f"run:{filled.runs[2]}"): "trained on",
        (f"run:{filled.runs[2]}", third): "made",
        (second, third): "made from",
        (third, "endpoint:shop"): "canary, 10%",
        ("endpoint:shop", "predictions:shop"): "logged",
        ("predictions:shop", "feedback:shop"): "labels came",
    }.items():
        assert ways[way] == what
    listed: list[str] = []

    def walk(branches: list) -> None:
        for branch in branches:
            listed.append(branch.node.id)
            walk(branch.children)

    walk(tree(graph))
    assert set(listed) == {node.id for node in graph.nodes}
    children = version_lineage(project, project.registry.version(NAME, 2))
    assert (second, third) in {(edge.source, edge.target) for edge in children.edges}
    api = ask.get(f"/api/v1{PLACE}/versions/3/lineage").json()
    assert len(api["nodes"]) == len(graph.nodes) and api["about"] == third
    of_data = dataset_lineage(project, old.digest)
    assert {f"version:{NAME}/1", second} <= {node.id for node in of_data.nodes}
    assert ask.get(f"/api/v1/datasets/{old.digest}/lineage").json()["about"] == of_data.about
    with pytest.raises(NotFound):
        dataset_lineage(project, "f" * 64)


def test_lineage_by_python_and_by_the_verb(filled: Shelf) -> None:
    folder: Path = filled.project.dir
    assert el.lineage(f"{NAME}@champion", dir=folder).about == f"version:{NAME}/2"
    said = CliRunner().invoke(command_of("lineage"), [f"{NAME}/3", "--dir", str(folder)])
    assert said.exit_code == 0, said.output
    assert "version 3 (tree) ←" in said.output and "labels came: feedback" in said.output
    data = CliRunner().invoke(
        command_of("lineage"),
        [filled.datasets[0].digest, "--dataset", "--dir", str(folder), "--json"],
    )
    assert '"about"' in data.output


def test_a_long_difference_is_cut() -> None:
    lines = text_diff("\n".join(map(str, range(3000))), "\n".join(map(str, range(3000, 6000))))
    assert len(lines) == 400
    assert text_diff("a\nb", "a\nb") == []
