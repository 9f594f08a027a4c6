"""Exports: the folder of an image, and manifests that clusters take."""

from __future__ import annotations

import json
import re

import kubernetes_validate
import msgspec
import pytest
import yaml

from everloop.deploy.export.compose import compose
from everloop.deploy.export.context import context, write_files
from everloop.deploy.export.helm import helm
from everloop.deploy.export.kserve import Canary, kserve
from everloop.deploy.export.kserve_rules import check_service
from everloop.deploy.export.kubernetes import kubernetes
from everloop.deploy.export.target import Served, Target, check_target, label_of
from everloop.deploy.package import read_package
from everloop.deploy.state import Arm, package_path
from everloop.errors import InvalidInput

IMAGE = "registry.example/team/flights:1"
TARGET = Target(name="flights", image=IMAGE, grpc_port=9000)
OPEN = msgspec.structs.replace(TARGET, access="network", min_replicas=1)


@pytest.fixture
def served(project) -> Served:
    digest = project.linear()
    folder = package_path(project.state, digest)
    return Served(
        name="flights",
        model="flights",
        arms=(Arm(3, digest),),
        packages={digest: folder},
        described={digest: read_package(folder, project.keys)},
        public_key=(project.state / "keys" / "signing.pub").read_bytes(),
    )


def documents(files: dict[str, bytes]) -> list[dict]:
    return [one for text in files.values() for one in yaml.safe_load_all(text)]


def test_the_context_holds_the_data_plane_and_no_secret(served, project):
    files = context(served, TARGET)
    assert {"Dockerfile", "requirements.txt", "sbom.cdx.json", "app/serve.py"} <= files.keys()
    assert not any(name.endswith("signing.key") for name in files)
    private = (project.state / "keys" / "signing.key").read_bytes()
    assert all(private not in content for content in files.values())
    code = {name for name in files if name.startswith("app/everloop/")}
    assert "app/everloop/deploy/serving/core.py" in code
    assert not any("/train/" in name or "/store/" in name for name in code)
    assert len(code) < 90
    pins = files["requirements.txt"].decode().split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!-]+", pin) for pin in pins)
    names = {pin.split("==")[0] for pin in pins}
    assert {"granian", "onnxruntime", "grpcio"} <= names
    assert not names & {"scikit-learn", "polars", "sqlalchemy", "lightgbm"}


def test_the_image_runs_as_nobody_and_is_checked(served):
    recipe = context(served, TARGET)["Dockerfile"].decode()
    assert "USER 10001:10001" in recipe
    assert "HEALTHCHECK" in recipe
    assert "TOKEN" not in recipe


def test_the_bill_of_materials_names_libraries_and_models(served):
    files = context(served, TARGET)
    bill = json.loads(files["sbom.cdx.json"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    kinds = {one["name"]: one for one in bill["components"]}
    assert kinds["onnxruntime"]["purl"].startswith("pkg:pypi/onnxruntime@")
    assert kinds["numpy"]["licenses"]
    (model,) = [one for one in bill["components"] if one["type"] == "machine-learning-model"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": served.arms[0].digest}]
    assert files["sbom.cdx.json"] == context(served, TARGET)["sbom.cdx.json"]


@pytest.mark.parametrize("target", [TARGET, OPEN])
def test_kubernetes_takes_the_manifests(target):
    found = documents(kubernetes(target))
    kinds = [one["kind"] for one in found]
    assert kinds == [
        "ServiceAccount", "Deployment", "Service", "HorizontalPodAutoscaler",
        "PodDisruptionBudget", "NetworkPolicy",
    ]  # fmt: skip
    for one in found:
        kubernetes_validate.validate(one, "1.31", strict=True)
    pod = found[1]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsNonRoot"]
    given = {one["name"]: one for one in container["env"]}
    if target.access == "token":
        key = given["EVERLOOP_TOKEN"]["valueFrom"]["secretKeyRef"]
        assert key == {"name": "flights-token", "key": "token"}
    else:
        assert given["EVERLOOP_ACCESS"]["value"] == "network"


def test_the_chart_renders_to_the_manifests():
    files = helm(TARGET)
    values = yaml.safe_load(files["flights/values.yaml"])
    assert yaml.safe_load(files["flights/Chart.yaml"])["apiVersion"] == "v2"

    def value(match: re.Match) -> str:
        found = values
        for name in match[1].split("."):
            found = found[name]
        return json.dumps(found) if "quote" in match[0] else str(found)

    expression = re.compile(r"\{\{ \.Values\.([\w.]+)(?: \| quote)? \}\}")
    templates = [text.decode() for name, text in files.items() if "/templates/" in name]
    assert sum(len(expression.findall(text)) for text in templates) == 7
    rendered = [yaml.safe_load(expression.sub(value, text)) for text in templates]
    assert rendered == documents(kubernetes(TARGET))


def test_compose_builds_and_hardens():
    (document,) = documents(compose(TARGET))
    service = document["services"]["flights"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["environment"]["EVERLOOP_TOKEN"].startswith("${EVERLOOP_TOKEN:?")


def test_kserve_splits_in_both_modes():
    (plain,) = documents(kserve(OPEN))
    assert "canaryTrafficPercent" not in plain["spec"]["predictor"]
    (split,) = documents(kserve(OPEN, canary=Canary("registry.example/flights:2", 10)))
    predictor = split["spec"]["predictor"]
    assert predictor["canaryTrafficPercent"] == 10
    assert predictor["containers"][0]["image"] == "registry.example/flights:2"
    assert len(predictor["containers"][0]["ports"]) == 1
    old, new, route = documents(kserve(OPEN, "RawDeployment", Canary("flights:2", 25)))
    assert (old["metadata"]["name"], new["metadata"]["name"]) == ("flights", "flights-canary")
    assert [b["weight"] for b in route["spec"]["rules"][0]["backendRefs"]] == [75, 25]
    for one in (old, new):
        assert "canaryTrafficPercent" not in one["spec"]["predictor"]


def service(annotations=None, **predictor):
    containers = [{"name": "kserve-container", "image": IMAGE}]
    return {
        "metadata": {"name": "flights", "annotations": annotations or {}},
        "spec": {"predictor": {"containers": containers, **predictor}},
    }


RAW = {"serving.kserve.io/deploymentMode": "RawDeployment"}
SCALER = "serving.kserve.io/autoscalerClass"
BROKEN = [
    (service(canaryTrafficPercent=150), "spec.predictor.canaryTrafficPercent"),
    (service(canaryTrafficPercent=-1), "spec.predictor.canaryTrafficPercent"),
    (service(RAW, canaryTrafficPercent=10), "spec.predictor.canaryTrafficPercent"),
    (service(minReplicas=-1), "spec.predictor.minReplicas"),
    (service(minReplicas=3, maxReplicas=2), "spec.predictor.maxReplicas"),
    (service(RAW, minReplicas=0), "spec.predictor.minReplicas"),
    (service(containerConcurrency=-1), "spec.predictor.containerConcurrency"),
    (service(timeout=True), "spec.predictor.timeout"),
    (service(scaleMetric="latency"), "spec.predictor.scaleMetric"),
    (service(RAW, scaleMetric="rps"), "spec.predictor.scaleMetric"),
    (service(scaleMetric="cpu", scaleTarget=101), "spec.predictor.scaleTarget"),
    (service(scaleTarget=0), "spec.predictor.scaleTarget"),
    (service({SCALER: "magic"}), f"metadata.annotations.{SCALER}"),
    (service(model={"modelFormat": {"name": "onnx"}}), "spec.predictor"),
    (service(containers=[]), "spec.predictor"),
    (service(containers=[{"name": "a", "image": "b"}]), "spec.predictor.containers"),
    (service(containers=[{"name": "kserve-container"}]), "spec.predictor.containers[0].image"),
]


@pytest.mark.parametrize(("manifest", "path"), BROKEN)
def test_what_the_webhook_refuses_is_refused_here(manifest, path):
    check_service(service())
    with pytest.raises(InvalidInput) as refusal:
        check_service(manifest)
    assert refusal.value.path == path


@pytest.mark.parametrize("name", ["Flights", "1flights", "flights_2", "-a", "a" * 60, ""])
def test_a_name_that_clusters_refuse_is_refused(name):
    with pytest.raises(InvalidInput):
        check_target(msgspec.structs.replace(TARGET, name=name))
    assert check_target(msgspec.structs.replace(TARGET, name=label_of(name or "x"))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"image": "Registry/Name"}, {"image": "a b"}, {"image": "-a"}, {"cpu": "lots"},
        {"memory": "1 GB"}, {"port": 0}, {"grpc_port": 70000}, {"max_replicas": 0},
        {"max_replicas": 1}, {"cpu_percent": 0},
    ],
)  # fmt: skip
def test_what_an_engine_refuses_is_refused(change):
    check_target(TARGET)
    with pytest.raises(InvalidInput) as refusal:
        check_target(msgspec.structs.replace(TARGET, **change))
    assert refusal.value.path in (*change, "port")


def test_manifests_need_an_image():
    for make in (kubernetes, helm, kserve):
        with pytest.raises(InvalidInput) as refusal:
            make(Target(name="flights"))
        assert refusal.value.path == "image"


def test_files_are_written_below_the_folder(tmp_path):
    write_files({"a/b.txt": b"1"}, tmp_path / "out")
    assert (tmp_path / "out/a/b.txt").read_bytes() == b"1"
