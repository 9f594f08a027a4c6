"""What stands beside everloop in benchmarks/serving.py; each mode is a program of its own.

Run by that benchmark: python serving_apps.py MODE FOLDER PORT, where FOLDER holds model.onnx,
model.pkl and names.json. ``constant`` and ``ceiling`` are the raw limits: granian alone, and
granian with msgspec and onnxruntime and nothing else.
"""

import asyncio
import json
import pickle
import sys
from pathlib import Path
from typing import Any

MODE, FOLDER, PORT = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
NAMES: list[str] = json.loads((FOLDER / "names.json").read_text())
HEADERS = [(b"content-type", b"application/json")]


def estimator() -> Any:
    return pickle.loads((FOLDER / "model.pkl").read_bytes())


def raw() -> None:
    """Granian in this process around an ASGI function, as everloop has it."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    answer = _constant() if MODE == "constant" else _ceiling()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        said = answer(body)
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": said})

    server = Server(
        app, address="127.0.0.1", port=PORT, interface=Interfaces.ASGINL, http=HTTPModes.http1,
        websockets=False, log_enabled=False,
    )  # fmt: skip
    asyncio.run(server.serve())


def constant_grpc() -> None:
    """grpc.aio with a constant reply, one port above, as everloop has it."""
    import grpc.aio

    async def infer(asked: bytes, context: Any) -> bytes:
        return b""

    async def serve() -> None:
        server = grpc.aio.server()
        methods = {"ModelInfer": grpc.unary_unary_rpc_method_handler(infer)}
        service = "inference.GRPCInferenceService"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        server.add_insecure_port(f"127.0.0.1:{PORT + 1}")
        await server.start()
        await server.wait_for_termination()

    asyncio.run(serve())


def _constant() -> Any:
    return lambda body: b'{"y_pred":[0]}'


def _ceiling() -> Any:
    import msgspec
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(FOLDER / "model.onnx"), options)
    record = msgspec.defstruct("Record", [(name, float) for name in NAMES])
    decode = msgspec.json.Decoder(list[record]).decode  # type: ignore[valid-type]
    encode, astuple = msgspec.json.Encoder().encode, msgspec.structs.astuple

    def answer(body: bytes) -> bytes:
        X = np.array([astuple(row) for row in decode(body)], dtype=np.float64)
        label, _ = session.run(["label", "probabilities"], {"X": X})
        return encode({"y_pred": label.tolist()})

    return answer


def fastapi() -> None:
    import numpy as np
    import uvicorn
    from fastapi import FastAPI
    from pydantic import create_model

    model = estimator()
    record = create_model("Record", **dict.fromkeys(NAMES, (float, ...)))  # type: ignore[call-overload]
    app = FastAPI()

    @app.post("/predict")
    def predict(rows: list[record]) -> dict[str, list[int]]:  # type: ignore[valid-type]
        X = np.array([[getattr(row, name) for name in NAMES] for row in rows])
        return {"y_pred": model.predict(X).tolist()}

    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="error")


def flask_app() -> Any:
    import numpy as np
    from flask import Flask, jsonify, request

    model = estimator()
    app = Flask("peer")

    @app.post("/predict")
    def predict() -> Any:
        X = np.array([[row[name] for name in NAMES] for row in request.get_json()])
        return jsonify(y_pred=model.predict(X).tolist())

    return app


def flask() -> None:
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    flask_app().run(host="127.0.0.1", port=PORT, threaded=True)


def gunicorn() -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def load_config(self) -> None:
            for key, value in {
                "bind": f"127.0.0.1:{PORT}", "workers": 1, "threads": 4, "loglevel": "error",
            }.items():  # fmt: skip
                self.cfg.set(key, value)

        def load(self) -> Any:
            return flask_app()

    Application().run()


if __name__ == "__main__":
    modes = {
        "fastapi": fastapi, "flask": flask, "gunicorn": gunicorn, "constant_grpc": constant_grpc,
    }  # fmt: skip
    modes.get(MODE, raw)()
