"""A span of each request for OpenTelemetry; off unless the usual variables ask for it.

``OTEL_TRACES_EXPORTER`` (``otlp``, ``console``) or ``OTEL_EXPORTER_OTLP_ENDPOINT`` turns them on;
sampling, the service's name and the rest are read by OpenTelemetry's own library. A caller's trace
goes on: https://www.w3.org/TR/trace-context/. Needs the extra ``otel``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from everloop.deploy.serving.seen import Seen
from everloop.errors import MissingExtra, invalid
from everloop.version import __version__

try:
    from opentelemetry import propagate
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError as error:
    raise MissingExtra("Tracing, which an OTEL_ variable asks for,", "otel") from error

_PROTOCOLS = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


class Traces:
    """Makes the spans and hands them to the exporters, which work on a thread of their own."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        service = {"service.name": "everloop"} if "OTEL_SERVICE_NAME" not in environ else {}
        self._provider = TracerProvider(
            resource=Resource.create(service), shutdown_on_exit=False
        )  # fmt: skip
        for name in exporter_names(environ):
            self._provider.add_span_processor(BatchSpanProcessor(_exporter(name)()))
        self._tracer = self._provider.get_tracer("everloop", __version__)

    def request(self, seen: Seen) -> None:
        """The span of an answered request, from its arrival to its answer."""
        end = time.time_ns()
        parent = Context()
        if seen.traceparent:
            carrier = {"traceparent": seen.traceparent, "tracestate": seen.tracestate}
            parent = propagate.extract(carrier, parent)
        span = self._tracer.start_span(
            f"{seen.method} {seen.route}", parent, SpanKind.SERVER,
            attributes=_attributes(seen), start_time=end - int(seen.ms * 1e6),
        )  # fmt: skip
        if seen.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def exporter_names(environ: Mapping[str, str]) -> list[str]:
    """The entry points of the exporters that the environment asks for."""
    named = environ.get("OTEL_TRACES_EXPORTER", "otlp")
    protocol = environ.get(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    )
    otlp = _PROTOCOLS.get(protocol, "otlp_proto_http")
    parts = (part.strip() for part in named.split(","))
    return [otlp if part == "otlp" else part for part in parts if part and part != "none"]


def _exporter(name: str) -> Any:
    found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        raise invalid(
            "OTEL_TRACES_EXPORTER", name, "an exporter that is installed",
            fix='pip install "everloop[otel]" brings otlp over HTTP.',
        )  # fmt: skip
    try:
        return found[0].load()
    except ImportError as error:
        raise MissingExtra("Tracing, which an OTEL_ variable asks for,", "otel") from error


def _attributes(seen: Seen) -> dict[str, str | int]:
    """By OpenTelemetry's semantic conventions, and our own."""
    said: dict[str, str | int] = {
        "http.request.method": seen.method,
        "http.route": seen.route,
        "http.response.status_code": seen.status,
        "everloop.request": seen.request,
    }
    if seen.endpoint:
        said["everloop.endpoint"] = seen.endpoint
    if seen.version:
        said["everloop.version"] = seen.version
    return said
