"""A package is what was signed, or it is refused."""

from __future__ import annotations

import os
import shutil

import pytest

from everloop.deploy.package import MANIFEST, SIGNATURE, Package, read_package
from everloop.deploy.packaging import materialise, store_package, write_package
from everloop.errors import Conflict, Integrity, NotFound
from everloop.registry.signing import Keys
from everloop.store.blobs import Blobs


@pytest.fixture
def folder(project, models):
    package = Package(
        model="m", task="regression", algorithm="ridge", created=5, schema=models.NUMBERS,
        run="a" * 32, metrics={"rmse": 1.5},
    )  # fmt: skip
    files = {"model.onnx": b"model", "docs/card.md": b"# card"}
    write_package(project.folder / "package", package, files, project.keys)
    return project.folder / "package"


def test_a_package_comes_back_as_it_was_written(folder, project, models):
    package = read_package(folder, project.keys)
    assert package.schema == models.NUMBERS
    assert (package.run, package.dataset, package.metrics) == ("a" * 32, None, {"rmse": 1.5})
    assert set(package.files) == {"model.onnx", "docs/card.md"}
    assert package.files["model.onnx"].size == 5


def test_schema_with_levels_and_classes_of_each_type_survives(project, models):
    for classes in (("no", "yes"), (0, 1), (False, True), (1.5, 2.5)):
        schema = models.MIXED.__class__(models.MIXED.features, "t", "binary", classes)
        package = Package(model="m", task="binary", algorithm="x", created=0, schema=schema)
        folder = project.folder / f"p{classes[1]}"
        write_package(folder, package, {"model.onnx": b"m"}, project.keys)
        found = read_package(folder, project.keys).schema
        assert found == schema
        assert [type(c) for c in found.classes] == [type(c) for c in classes]


def rewrite(path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "model.onnx").write_bytes(b"other"), "sha256 is not the one"),
        (lambda f: (f / "model.onnx").write_bytes(b"longer one"), "got 10 bytes, expected 5"),
        (lambda f: (f / "model.onnx").unlink(), "'model.onnx' is missing"),
        (lambda f: (f / "extra.py").write_bytes(b""), "'extra.py' is not listed"),
        (lambda f: (f / "docs/.hidden").write_bytes(b""), "'docs/.hidden' is not listed"),
        (lambda f: (f / "link").symlink_to("/etc/passwd"), "'link' is not a plain file"),
        (lambda f: (f / "folder").symlink_to("/etc"), "'folder' is not a plain file"),
        (lambda f: os.mkfifo(f / "pipe"), "'pipe' is not a plain file"),
        (lambda f: (f / SIGNATURE).unlink(), "signature package.sig is missing"),
        (lambda f: (f / SIGNATURE).write_bytes(b"00" * 64), "none of the trusted keys"),
        (lambda f: (f / SIGNATURE).write_bytes(b"\xff nonsense"), "none of the trusted keys"),
        (lambda f: rewrite(f / MANIFEST, b"ridge", b"lasso"), "none of the trusted keys"),
    ],
)
def test_any_change_is_found(folder, project, change, message):
    change(folder)
    with pytest.raises(Integrity, match=message):
        read_package(folder, project.keys)


@pytest.mark.parametrize(
    "name",
    ["../model.onnx", "/etc/passwd", "a/../../b", "./a", "a//b", "", "package.toml", ".x", "a\\b"],
)
def test_a_listed_name_never_leaves_the_folder(folder, project, models, name):
    manifest = (folder / MANIFEST).read_text().replace('"model.onnx"', f"'{name}'")
    (folder / MANIFEST).write_text(manifest)
    (folder / SIGNATURE).write_text(project.keys.sign(manifest.encode()))
    with pytest.raises(Integrity, match="name"):
        read_package(folder, project.keys)
    package = Package(model="m", task="regression", algorithm="x", created=0, schema=models.NUMBERS)
    with pytest.raises(Integrity, match="name"):
        write_package(project.folder / "new", package, {name: b""}, project.keys)
    assert not (project.folder / "new").exists()


def test_a_manifest_of_another_form_is_refused_even_when_signed(folder, project):
    for text in ("format = 1", "not toml", "\x00"):
        (folder / MANIFEST).write_text(text)
        (folder / SIGNATURE).write_text(project.keys.sign(text.encode()))
        with pytest.raises(Integrity, match=MANIFEST):
            read_package(folder, project.keys)


def test_the_key_of_a_stranger_does_not_count_until_it_is_trusted(folder, project):
    strange = Keys.load_or_create(project.folder / "strange")
    with pytest.raises(Integrity, match="trusted keys"):
        read_package(folder, strange)
    trusted = project.folder / "strange" / "trusted"
    trusted.mkdir(exist_ok=True)
    shutil.copy(project.state / "keys" / "signing.pub", trusted / "ours.pub")
    assert read_package(folder, Keys.load(project.folder / "strange")).algorithm == "ridge"


def test_no_package_is_not_found(project):
    with pytest.raises(NotFound, match="holds no model package"):
        read_package(project.folder / "nowhere", project.keys)


def test_writing_again_is_idempotent_and_another_package_conflicts(folder, project):
    package = read_package(folder, project.keys)
    files = {"model.onnx": b"model", "docs/card.md": b"# card"}
    before = (folder / MANIFEST).read_bytes()
    first = write_package(folder, package, files, project.keys)
    assert first == write_package(folder, package, files, project.keys)
    assert (folder / MANIFEST).read_bytes() == before
    with pytest.raises(Conflict, match="another package"):
        write_package(folder, package, {"model.onnx": b"other"}, project.keys)


def test_a_package_goes_through_the_blob_store_and_heals(folder, project):
    blobs = Blobs((project.folder / "blobs").as_uri())
    files = store_package(folder, blobs)
    assert set(files) == {"model.onnx", "docs/card.md", MANIFEST, SIGNATURE}
    digest = files[MANIFEST]
    cache = project.state / "packages"
    copy = materialise(files, blobs, cache, digest)
    assert copy == cache / digest
    assert read_package(copy, project.keys) == read_package(folder, project.keys)
    (copy / "model.onnx").write_bytes(b"rotten")
    assert materialise(files, blobs, cache, digest) == copy
    assert read_package(copy, project.keys)
    assert [path.name for path in cache.iterdir()] == [digest]


def test_a_package_that_cannot_be_fetched_leaves_nothing(folder, project):
    blobs = Blobs((project.folder / "blobs").as_uri())
    files = store_package(folder, blobs)
    blobs.delete(files["model.onnx"])
    cache = project.state / "packages"
    with pytest.raises(NotFound):
        materialise(files, blobs, cache, files[MANIFEST])
    with pytest.raises(Integrity, match="another digest"):
        materialise(files, blobs, cache, "0" * 64)
    with pytest.raises(Integrity, match="plain relative"):
        materialise({**files, "../../x": files["docs/card.md"]}, blobs, cache, files[MANIFEST])
    assert list(cache.iterdir()) == []
