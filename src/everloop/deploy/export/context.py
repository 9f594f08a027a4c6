"""The folder an image is built from: the data plane's code, the models, and nothing secret.

The image is slim (the libraries of the data plane alone), runs as nobody in particular, and needs
to write to one folder only, the prediction log's, so that its root may be read-only.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from everloop.deploy.export.bill import bill
from everloop.deploy.export.closure import ROOT, closure, requirements
from everloop.deploy.export.target import Served, Target
from everloop.deploy.package import MANIFEST, SIGNATURE
from everloop.deploy.state import DesiredState, EndpointState

PYTHON = "3.11"
USER = 10001
LOG = "/var/lib/everloop"
STATE = "app/project/.everloop"

DOCKERFILE = """\
# syntax=docker/dockerfile:1
FROM python:{python}-slim AS build
COPY requirements.txt .
RUN python -m venv /opt/venv \\
 && /opt/venv/bin/pip install --no-cache-dir --only-binary :all: -r requirements.txt

FROM python:{python}-slim
RUN mkdir -p {log} && chown {user}:{user} {log}
COPY --from=build /opt/venv /opt/venv
COPY app /app
COPY sbom.cdx.json /app/
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT={port} EVERLOOP_LOG_DIR={log}
USER {user}:{user}
VOLUME {log}
EXPOSE {ports}
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \\
  CMD ["/opt/venv/bin/python", "/app/health.py"]
ENTRYPOINT ["/opt/venv/bin/python", "/app/serve.py"]
"""

SERVE = '''\
"""Answers predictions; PORT, HOST and EVERLOOP_* say how."""

import os
import sys
from pathlib import Path

APP = Path(__file__).resolve().parent
sys.path.insert(0, str(APP))

from everloop.deploy.serving.__main__ import main  # noqa: E402

project = APP / "project"
arguments = [
    "--dir", str(project),
    "--state", str(project / ".everloop" / "serving" / "desired.json"),
    "--host", os.environ.get("HOST", "0.0.0.0"),
    "--port", os.environ.get("PORT", "8080"),
    "--log", os.environ.get("EVERLOOP_LOG_DIR", "/var/lib/everloop"),
]
sys.exit(main(arguments))
'''

HEALTH = '''\
"""Exit code 0 when the server in this container answers."""

import os
import sys
import urllib.request

url = f"http://127.0.0.1:{os.environ.get('PORT', '8080')}/health"
try:
    sys.exit(0 if urllib.request.urlopen(url, timeout=2).status == 200 else 1)
except OSError:
    sys.exit(1)
'''

README = """\
# {name}

What answers at the endpoint `{name}`: {versions} of the model `{model}`.

    docker build -t {image} .
    docker run --read-only --cap-drop ALL -p {port}:{port} \\
      -e {access} -v {name}-log:{log} {image}

`POST /predict` takes records or columns; `/openapi.json` has the schema. The same port speaks
KServe v1, the Open Inference Protocol, TF Serving's REST and MLflow's `/invocations`.

`sbom.cdx.json` lists what is inside. No key that signs and no token is: the token comes by the
environment (`EVERLOOP_TOKEN`).
"""


def context(served: Served, target: Target) -> dict[str, bytes]:
    """The files, by their paths below the folder."""
    found = closure()
    libraries = requirements(found.imports, _extras(served, target))
    pins = "".join(f"{name}=={version}\n" for name, version in libraries.items())
    ports = f"{target.port} {target.grpc_port}" if target.grpc_port else str(target.port)
    recipe = DOCKERFILE.format(python=PYTHON, user=USER, log=LOG, port=target.port, ports=ports)
    files: dict[str, bytes] = {
        "Dockerfile": recipe.encode(),
        ".dockerignore": b"*\n!app\n!requirements.txt\n!sbom.cdx.json\n",
        "README.md": _readme(served, target).encode(),
        "requirements.txt": pins.encode(),
        "sbom.cdx.json": bill(served, libraries),
        "app/serve.py": SERVE.encode(),
        "app/health.py": HEALTH.encode(),
        f"{STATE}/keys/trusted/project.pub": served.public_key,
        f"{STATE}/serving/desired.json": _desired(served),
    }
    for path in found.files:
        files[f"app/{path.as_posix()}"] = (ROOT / path).read_bytes()
    for digest, folder in served.packages.items():
        for name in (MANIFEST, SIGNATURE, *served.described[digest].files):
            files[f"{STATE}/packages/{digest}/{name}"] = (folder / name).read_bytes()
    return files


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write them below a folder; what lies there under other names stays."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _extras(served: Served, target: Target) -> set[str]:
    kinds = {f.kind for package in served.described.values() for f in package.schema.features}
    extras = {"images"} if "image" in kinds else set()
    return extras | ({"grpc"} if target.grpc_port else set())


def _desired(served: Served) -> bytes:
    state = DesiredState(1, {served.name: EndpointState(served.model, served.arms)})
    return msgspec.json.format(msgspec.json.encode(state), indent=1)


def _readme(served: Served, target: Target) -> str:
    versions = ", ".join(f"version {arm.version} ({arm.role})" for arm in served.arms)
    access = "EVERLOOP_TOKEN" if target.access == "token" else "EVERLOOP_ACCESS=network"
    return README.format(
        name=target.name, versions=versions, model=served.model, port=target.port, log=LOG,
        image=target.image or f"{target.name}:1", access=access,
    )  # fmt: skip
