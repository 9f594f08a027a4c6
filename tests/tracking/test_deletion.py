"""What was deleted long ago goes, all of it, and nothing else; on both databases."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from everloop.errors import NotFound
from everloop.registry.models import ModelStore
from everloop.registry.signing import Keys
from everloop.store import references
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.tables import artifacts, metadata
from everloop.tracking.artifacts.paths import key_of
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.artifacts.uploads import Uploads
from everloop.tracking.deletion import collection as deletion
from everloop.tracking.deletion import rows as deletion_rows
from everloop.tracking.deletion.collect import DAY, collect
from everloop.tracking.deletion.collection import Collected
from everloop.tracking.experiments import ExperimentStore
from everloop.tracking.inputs import InputStore
from everloop.tracking.logged_models import LoggedModelStore
from everloop.tracking.records import DatasetUse, ModelUse, Point
from everloop.tracking.runs import RunStore

TABLES = ("events", "event_head")


@dataclasses.dataclass
class Stores:
    """The stores of one project, without the rest of it."""

    db: Database
    blobs: Blobs
    events: EventLog

    def __post_init__(self) -> None:
        self.experiments = ExperimentStore(self.db, self.events)
        self.runs = RunStore(self.db, self.events)
        self.inputs = InputStore(self.db)
        self.models = LoggedModelStore(self.db)
        self.artifacts = ArtifactStore(self.db, self.blobs)
        self.registry = ModelStore(self.db, self.events)

    def collect(self, older_than: int = 0, **options: object) -> Collected:
        time.sleep(0.002)  # what is deleted in this millisecond is not older than 0
        return collect(
            self.db, self.blobs, self.events, actor="test", older_than=older_than, **options
        )  # type: ignore[arg-type]

    def run(self, experiment: int, *files: str, points: int = 3) -> str:
        """A run with some of everything."""
        run = self.runs.create(experiment, name="r", tags={"a": "b"}).id
        self.runs.log(run, points=[Point("m", i, i, i) for i in range(points)], params={"p": "1"})
        used = DatasetUse(name="d", digest=run[:8], source_type="local", source="x")
        self.inputs.log_inputs(run, [used], [])
        for file in files:
            self.artifacts.put(f"{key_of(self.runs.get(run).location)}/{file}", file.encode())
        return run

    def rows(self) -> dict[str, int]:
        with self.db.read() as conn:
            count = sa.func.count()
            found = {
                t.name: conn.execute(sa.select(count).select_from(t)).scalar_one()
                for t in metadata.sorted_tables
            }
        return {name: number for name, number in found.items() if number and name not in TABLES}

    def stored(self) -> set[str]:
        return {one.digest for page in self.blobs.scan() for one in page}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.load_or_create(tmp_path / "keys")


@pytest.fixture
def stores(database: Database, blobs: Blobs, keys: Keys) -> Stores:
    return Stores(database, blobs, EventLog(database, keys))


@pytest.fixture(params=["folder", "s3"])
def anywhere(
    request: pytest.FixtureRequest, sqlite_database: Database, tmp_path: Path, keys: Keys
) -> Stores:
    url = request.getfixturevalue("s3_url") if request.param == "s3" else tmp_path.as_uri() + "/b"
    return Stores(sqlite_database, Blobs(url), EventLog(sqlite_database, keys))


def test_an_experiment_goes_with_all_that_was_in_it(stores: Stores) -> None:
    before = stores.rows()
    experiment = stores.experiments.create("mine", tags={"t": "1"})
    run = stores.run(experiment.id, "model/a", "model/b", "c")
    model = stores.models.create(experiment.id, name="m", run=run, params={"a": "1"}, tags={})
    stores.models.set_tags(model.id, {"k": "v"})
    stores.runs.log(run, points=[Point("acc", 1.0, 5, model=model.id)])
    stores.inputs.log_outputs(run, [ModelUse(model=model.id, kind="output", step=1)])
    stores.artifacts.put(f"{key_of(model.location)}/MLmodel", b"yaml")
    assert stores.rows() != before
    stores.experiments.delete(experiment.id, "test")

    seen = stores.collect(dry_run=True)
    assert (seen.runs, seen.models, seen.experiments, seen.files) == (1, 1, 1, 4)
    assert seen.bytes == len("model/a" + "model/b" + "c" + "yaml")
    kept = stores.collect(older_than=DAY)
    assert (kept.runs, kept.experiments, kept.blobs) == (0, 0, 0)
    assert len(stores.stored()) == 4

    done = stores.collect()
    assert (done.runs, done.models, done.experiments, done.files) == (1, 1, 1, 4)
    assert (done.blobs, done.bytes, done.rows) == (4, seen.bytes, seen.rows)
    assert stores.rows() == before
    assert stores.stored() == set()
    assert stores.events.latest(1)[0].kind == "gc.done"
    assert stores.events.verify().ok
    assert stores.experiments.create("mine").id > 0
    assert stores.collect().rows == 0


def test_a_run_goes_and_its_neighbours_stay(anywhere: Stores) -> None:
    one, other = anywhere.run(0, "same", "own1"), anywhere.run(0, "same", "own2")
    anywhere.runs.delete(one, "test")
    done = anywhere.collect()
    assert (done.runs, done.files, done.blobs) == (1, 2, 1)
    with pytest.raises(NotFound):
        anywhere.runs.get(one)
    key = key_of(anywhere.runs.get(other).location)
    assert b"".join(anywhere.artifacts.read(f"{key}/same")) == b"same"
    assert {e.name for e in anywhere.artifacts.walk()} == {"same", "own2"}
    assert [e.name for e in anywhere.artifacts.list("0").items] == [other]
    assert anywhere.runs.get(other).metrics["m"].value == 2


def test_what_is_restored_in_time_stays(stores: Stores) -> None:
    run = stores.run(0, "a")
    stores.runs.delete(run, "test")
    stores.collect(older_than=DAY)
    stores.runs.restore(run, "test")
    assert stores.collect().runs == 0
    assert stores.runs.get(run).params == {"p": "1"}


def test_the_default_experiment_stays(stores: Stores) -> None:
    run = stores.run(0)
    stores.experiments.delete(0, "test")
    assert stores.collect().runs == 1
    with pytest.raises(NotFound):
        stores.runs.get(run)
    stores.experiments.restore(0, "test")


def test_what_registered_versions_read_from_stays(stores: Stores) -> None:
    experiment = stores.experiments.create("mine").id
    runs = [stores.run(experiment, "model/a") for _ in range(4)]
    model = stores.models.create(experiment, name="m")
    stores.artifacts.put(f"{key_of(model.location)}/MLmodel", b"yaml")
    place = stores.runs.get(runs[0]).location
    sources = [f"{place}/model", f"runs:/{runs[1]}/model", f"models:/{model.id}", "s3://b/x"]
    stores.registry.create_model("m", actor="test")
    for source in sources:
        stores.registry.create_version("m", source=source, actor="test")
    stores.experiments.delete(experiment, "test")
    done = stores.collect()
    assert (done.runs, done.models, done.experiments, done.kept) == (2, 0, 0, 3)
    assert sorted(e.name for e in stores.artifacts.walk()) == ["MLmodel", "a", "a"]
    for version in (1, 2, 3):
        stores.registry.delete_version("m", version, actor="test")
    done = stores.collect()
    assert (done.runs, done.models, done.experiments, done.kept) == (2, 1, 1, 0)
    assert list(stores.artifacts.walk()) == []


def test_artifacts_elsewhere_are_left_alone(stores: Stores, tmp_path: Path) -> None:
    experiment = stores.experiments.create("mine", location=(tmp_path / "here").as_uri()).id
    run = stores.run(experiment)
    stores.runs.delete(run, "test")
    done = stores.collect()
    assert (done.runs, done.elsewhere) == (1, 1)


def test_only_old_blobs_without_a_name_go(stores: Stores) -> None:
    digest = stores.blobs.put(b"nobody's")
    assert stores.collect().blobs == 0
    path = Path(stores.blobs.url.removeprefix("file://")) / digest[:2] / digest[2:4] / digest
    os.utime(path, (1, 1))
    assert stores.collect(dry_run=True).blobs == 1
    assert stores.blobs.exists(digest)
    stores.blobs.put(b"nobody's")  # which renews it
    assert stores.collect().blobs == 0
    os.utime(path, (1, 1))
    done = stores.collect()
    assert (done.blobs, done.bytes) == (1, 8)
    assert not stores.blobs.exists(digest)


def test_unfinished_uploads_end(stores: Stores) -> None:
    uploads = Uploads(stores.artifacts)
    upload = uploads.begin("a/b")
    with stores.blobs.receive() as incoming:
        incoming.write(b"part")
        uploads.part(upload, 1, incoming)
    assert stores.collect().uploads == 0
    time.sleep(0.002)
    assert stores.collect(grace=0).uploads == 1
    assert stores.stored() == set()
    with pytest.raises(NotFound):
        uploads.abort(upload)


def test_many_rows_go_in_bounded_steps(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "BATCH", 3)
    monkeypatch.setattr(deletion, "FILES", 2)
    monkeypatch.setattr(deletion_rows, "ROWS", 10)
    before = stores.rows()
    edge = deletion_rows.delete_points.__globals__["ROWS"]
    assert edge == 10
    for i in range(8):
        run = stores.run(0, *(f"f{i}{j}" for j in range(5)), points=37)
        stores.runs.delete(run, "test")
    seen: list[int] = []
    done = stores.collect(on_progress=lambda done: seen.append(done.runs))
    assert seen[:3] == [3, 6, 8]
    assert (done.runs, done.files, done.blobs) == (8, 40, 40)
    assert stores.rows() == before


def test_killed_and_begun_again(sqlite_url: str, tmp_path: Path, keys: Keys) -> None:
    """Killed after each of its transactions in turn, it leaves nothing that the next cannot end."""
    blobs_url = (tmp_path / "blobs").as_uri()
    db = Database(sqlite_url)
    stores = Stores(db, Blobs(blobs_url), EventLog(db, keys))
    before = stores.rows()
    experiment = stores.experiments.create("mine").id
    for i in range(3):
        stores.run(experiment, f"f{i}", "same")
    stores.experiments.delete(experiment, "test")
    time.sleep(0.002)
    for writes in range(1, 40):
        code = KILLED.format(
            database=sqlite_url, blobs=blobs_url, keys=str(tmp_path / "keys"), writes=writes
        )
        ended = subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode
        assert ended in (0, -9)
        if ended == 0:
            break
    assert writes > 2
    assert ended == 0
    assert stores.rows() == before
    # The blobs of a batch whose names were gone already wait for their day.
    assert stores.collect(grace=-1000).blobs >= 0
    assert stores.stored() == set()
    db.close()


KILLED = """
import os, signal
from contextlib import contextmanager
from pathlib import Path
from everloop.registry.signing import Keys
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.tracking.deletion.collect import collect

class Killed(Database):
    left = {writes}
    @contextmanager
    def write(self):
        with super().write() as conn:
            yield conn
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

db = Killed({database!r})
db.left = {writes}
events = EventLog(db, Keys.load(Path({keys!r})))
collect(db, Blobs({blobs!r}), events, actor="test", older_than=0)
"""


def test_a_writer_at_the_same_time_loses_nothing(stores: Stores) -> None:
    """It puts again and again what deletion is about to free; every name keeps its content."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            while not stop.is_set():
                for content in "01234":
                    stores.artifacts.put(f"{name}/{content}", content.encode())
                    stores.artifacts.delete(f"{name}/{content}")
            for content in "01234":
                stores.artifacts.put(f"{name}/{content}", content.encode())
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    freed = 0
    try:
        for _ in range(12):
            run = stores.run(0, *"01234")
            stores.runs.delete(run, "test")
            freed += stores.collect(grace=0).blobs
            with stores.db.write() as conn:  # nobody deletes a name or a blob meanwhile
                references.serialise(conn, references.LOCK)
                query = sa.select(artifacts.c.digest).where(artifacts.c.digest.is_not(None))
                assert all(map(stores.blobs.exists, conn.execute(query).scalars()))
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert errors == []
    assert freed
    stores.collect(grace=0)
    for name in ("one", "two"):
        for content in "01234":
            read = stores.artifacts.read(f"{name}/{content}")
            assert b"".join(read) == content.encode()


def test_a_blob_that_goes_before_it_has_its_name_is_stored_again(stores: Stores) -> None:
    digest = stores.blobs.put(b"data")
    puts = []

    def keep() -> str:
        stores.blobs.put(b"data")
        puts.append(digest)
        if len(puts) == 1:  # deletion comes in between
            assert references.free(stores.db, stores.blobs, [digest]).blobs == 1
        return digest

    stores.artifacts.record("a", 4, keep)
    assert len(puts) == 2
    assert b"".join(stores.artifacts.read("a")) == b"data"


def test_a_name_waits_for_the_deletion_of_its_blob(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = stores.blobs.put(b"data")
    put = threading.Thread(target=stores.artifacts.put, args=("a", b"data"))
    delete = stores.blobs.delete

    def deleting(digest: str, before: int | None = None) -> int | None:
        put.start()  # it finds the blob, and must not name it now
        put.join(0.5)
        assert put.is_alive()
        return delete(digest, before)

    monkeypatch.setattr(stores.blobs, "delete", deleting)
    assert references.free(stores.db, stores.blobs, [digest]).blobs == 1
    put.join()
    assert b"".join(stores.artifacts.read("a")) == b"data"


def candidates() -> Iterator[str]:
    """Columns that could hold a blob's digest: 64 characters wide, or any JSON."""
    for table in metadata.tables.values():
        for column in table.c:
            wide = isinstance(column.type, sa.String) and column.type.length == 64
            if wide or column.info.get("json") or "digest" in column.name:
                yield f"{table.name}.{column.name}"


def test_every_column_that_could_hold_a_digest_says_whether_it_does() -> None:
    referring = {str(c) for c in references.COLUMNS} | {str(c) for c, _ in references.TEXTS}
    said = referring | set(references.WITHOUT)
    assert set(candidates()) == said, (
        "Say in store/references.py whether the column refers to blobs; those of a column that is "
        "left out are deleted."
    )
    assert not referring & set(references.WITHOUT)


@pytest.mark.parametrize("column", references.COLUMNS, ids=str)
def test_each_reference_holds_its_blob(stores: Stores, column: sa.Column[str]) -> None:
    digest, other = stores.blobs.put(b"kept"), stores.blobs.put(b"free")
    with stores.db.write() as conn:
        if column.table.name == "artifact_parts":
            conn.execute(
                sa.insert(metadata.tables["artifact_uploads"]).values(id="u", path="p", created=1)
            )
        conn.execute(sa.insert(column.table).values(**_row(column.table), **{column.name: digest}))
    freed = references.free(stores.db, stores.blobs, [digest, other])
    assert (freed.blobs, freed.bytes) == (1, 4)
    assert stores.stored() == {digest}


def _row(table: sa.Table) -> dict[str, object]:
    """A value for each column that needs one; a reference to another table is ``u``."""
    return {
        column.name: 1 if isinstance(column.type, sa.Integer) else "u"
        for column in table.c
        if not column.nullable and column.name != "digest"
    }


def test_the_files_of_a_version_hold_their_blobs(stores: Stores) -> None:
    digest = stores.blobs.put(b"model")
    stores.registry.register(
        "m", key="k", digest="0" * 64, algorithm="a", files={"model.onnx": digest}, run=None,
        dataset=None, cycle=None, metrics={}, actor="test",
    )  # fmt: skip
    assert references.free(stores.db, stores.blobs, [digest]).blobs == 0
    stores.registry.delete_version("m", 1, actor="test")
    assert references.free(stores.db, stores.blobs, [digest]).blobs == 1


def test_the_results_of_a_cycle_under_way_hold_their_blobs(stores: Stores) -> None:
    digest = stores.blobs.put(b"model")
    tables = metadata.tables
    with stores.db.write() as conn:
        conn.execute(
            sa.insert(tables["loops"]).values(name="l", declaration="{}", created=1, updated=1)
        )
        conn.execute(
            sa.insert(tables["cycles"]).values(
                id="c", loop="l", number=1, state="waiting", cause="{}", plan="[]", started=1
            )
        )
        conn.execute(
            sa.insert(tables["cycle_steps"]).values(
                cycle="c", step="train", position=1, state="done", attempts=1, started=1,
                result=f'{{"model": "{digest}"}}',
            )
        )  # fmt: skip
    assert references.free(stores.db, stores.blobs, [digest]).blobs == 0
    with stores.db.write() as conn:
        conn.execute(sa.update(tables["cycles"]).values(finished=2))
    assert references.free(stores.db, stores.blobs, [digest]).blobs == 1
