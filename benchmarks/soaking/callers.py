"""Callers that ask all the time, each over a protocol of its own, and note every answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, NamedTuple

import numpy as np

from soaking.models import ENDPOINT

TIMEOUT_S = 10.0
ZEROS = 0.3  # share of the rows whose value is 0, on which the failing version fails


class Call(NamedTuple):
    """One request. ``status`` is HTTP's, 0 where no answer came; times are of the wall clock."""

    kind: str
    request: str
    began: float
    ended: float
    status: int
    version: int
    rows: int
    right: bool
    said: str


class Caller(ABC):
    """Asks ``rate`` times a second over one connection, and again over a new one when it breaks."""

    kind: str

    def __init__(self, seed: int, rate: float) -> None:
        self.calls: list[Call] = []
        self._random = random.Random(f"{seed} {self.kind}")
        self._rate = rate
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.kind)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    @abstractmethod
    def ask(self, request: str, values: list[float]) -> tuple[int, int, list[float], str]:
        """Status, version, answers, and what was said where the status is not 200."""

    @abstractmethod
    def close(self) -> None:
        """Forget the connection."""

    def heard(self, request: str, values: list[float], status: int) -> None:  # noqa: B027
        """An answer has come, or none (``status`` 0)."""

    def values(self) -> list[float]:
        """One to three whole numbers."""
        draw = self._random
        return [
            0.0 if draw.random() < ZEROS else float(draw.randrange(1, 10))
            for _ in range(draw.randrange(1, 4))
        ]

    def _run(self) -> None:
        number, due = 0, time.monotonic()
        while not self._done.is_set():
            number += 1
            request, values = f"{self.kind.replace(' ', '-')}-{number}", self.values()
            began = time.time()
            try:
                status, version, answers, said = self.ask(request, values)
            except Exception as error:  # whatever a client raises is an answer that did not come
                self.close()
                status, version, answers, said = 0, 0, [], f"{type(error).__name__}: {error}"[:200]
            ended, right = time.time(), answers == values
            self.calls.append(
                Call(self.kind, request, began, ended, status, version, len(values), right, said)
            )
            self.heard(request, values, status)
            due = max(due + 1 / self._rate, time.monotonic() - 1)  # makes up for a second, no more
            self._done.wait(max(due - time.monotonic(), 0.05 if status == 0 else 0.0))


class Http(Caller):
    """A caller over HTTP; ``path`` and the form of bodies and answers are its protocol's."""

    path: str

    def __init__(self, address: tuple[str, int], seed: int, rate: float) -> None:
        super().__init__(seed, rate)
        self._connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._connection.close()

    def ask(self, request: str, values: list[float]) -> tuple[int, int, list[float], str]:
        body, headers = self.body(values)
        headers |= {"x-request-id": request}
        self._connection.request("POST", self.path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            return answer.status, 0, [], data.decode("utf-8", "replace")[:200]
        version = int(answer.headers.get("x-everloop-version", 0))
        return 200, version, self.answers(data, answer.headers), ""

    def body(self, values: list[float]) -> tuple[bytes, dict[str, str]]:
        return json.dumps(self.form(values)).encode(), {"content-type": "application/json"}

    def form(self, values: list[float]) -> Any:
        raise NotImplementedError

    def answers(self, data: bytes, headers: Any) -> list[float]:
        raise NotImplementedError


class Native(Http):
    """everloop's own protocol, with labels for what was answered a little earlier."""

    kind = "records"
    path = f"/endpoints/{ENDPOINT}/predict"

    def __init__(self, address: tuple[str, int], seed: int, rate: float) -> None:
        super().__init__(address, seed, rate)
        self.labels: set[str] = set()  # ids whose label was accepted
        self._unlabelled: deque[tuple[str, list[float]]] = deque(maxlen=200)

    def form(self, values: list[float]) -> Any:
        return [{"a": value} for value in values]

    def answers(self, data: bytes, headers: Any) -> list[float]:
        return list(json.loads(data)["y_pred"])

    def heard(self, request: str, values: list[float], status: int) -> None:
        if status == 200:
            self._unlabelled.append((request, values))
        if len(self._unlabelled) < 100:
            return
        labels = {}
        for id, row in (self._unlabelled.popleft() for _ in range(50)):
            names = [id] if len(row) == 1 else [f"{id}-{place}" for place in range(len(row))]
            labels.update(zip(names, row, strict=True))
        body = json.dumps([{"id": id, "label": value} for id, value in labels.items()])
        with contextlib.suppress(OSError, http.client.HTTPException):
            path = f"/endpoints/{ENDPOINT}/feedback"
            self._connection.request("POST", path, body, {"content-type": "application/json"})
            answer = self._connection.getresponse()
            answer.read()
            if answer.status == 200:
                self.labels |= labels.keys()
            return
        self.close()


class KServe1(Http):
    """KServe v1."""

    kind = "kserve v1"
    path = f"/v1/models/{ENDPOINT}:predict"

    def form(self, values: list[float]) -> Any:
        return {"instances": [{"a": value} for value in values]}

    def answers(self, data: bytes, headers: Any) -> list[float]:
        return list(json.loads(data)["predictions"])


class MLflow(Http):
    """MLflow's scoring protocol."""

    kind = "invocations"
    path = "/invocations"

    def form(self, values: list[float]) -> Any:
        return {"dataframe_split": {"columns": ["a"], "data": [[value] for value in values]}}

    def answers(self, data: bytes, headers: Any) -> list[float]:
        return list(json.loads(data)["predictions"])


class Tensors(Http):
    """The Open Inference Protocol with raw tensors."""

    kind = "raw tensors"
    path = f"/v2/models/{ENDPOINT}/infer"

    def body(self, values: list[float]) -> tuple[bytes, dict[str, str]]:
        raw = np.asarray(values, "<f8").tobytes()
        one = {"name": "X", "datatype": "FP64", "shape": [len(values), 1],
               "parameters": {"binary_data_size": len(raw)}}  # fmt: skip
        wanted = [{"name": "predict", "parameters": {"binary_data": True}}]
        head = json.dumps({"inputs": [one], "outputs": wanted}).encode()
        return head + raw, {"inference-header-content-length": str(len(head))}

    def answers(self, data: bytes, headers: Any) -> list[float]:
        start = int(headers["inference-header-content-length"])
        return np.frombuffer(data[start:], "<f8").tolist()


class Grpc(Caller):
    """The Open Inference Protocol over gRPC."""

    kind = "grpc"

    def __init__(self, address: tuple[str, int], seed: int, rate: float) -> None:
        super().__init__(seed, rate)
        self._address = "{}:{}".format(*address)
        self._channel: Any = None

    def ask(self, request: str, values: list[float]) -> tuple[int, int, list[float], str]:
        import grpc

        from everloop.deploy.serving.protocols._rpc_messages import MESSAGES, SERVICE

        if self._channel is None:
            self._channel = grpc.insecure_channel(self._address)
        call = self._channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=MESSAGES["ModelInferRequest"].SerializeToString,
            response_deserializer=MESSAGES["ModelInferResponse"].FromString,
        )
        one = {"name": "X", "datatype": "FP64", "shape": [len(values), 1],
               "contents": {"fp64_contents": values}}  # fmt: skip
        asked = MESSAGES["ModelInferRequest"](model_name=ENDPOINT, id=request, inputs=[one])
        try:
            said = call(asked, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
            return 500, 0, [], f"{error.code().name}: {error.details()}"[:200]
        answers = list(said.outputs[0].contents.fp64_contents)
        return 200, int(said.model_version), answers, ""

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def callers(address: tuple[str, int], grpc_port: int, seed: int, rate: float) -> list[Caller]:
    """One of each kind, which together ask ``rate`` times a second."""
    kinds: list[type[Http]] = [Native, KServe1, MLflow, Tensors]
    each = rate / (len(kinds) + 1)
    made: list[Caller] = [kind(address, seed, each) for kind in kinds]
    return [*made, Grpc((address[0], grpc_port), seed, each)]
