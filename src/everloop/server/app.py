"""The application, built from plain arguments: route table inside, middleware around it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp

from everloop.deploy.serving.lines import JsonLines
from everloop.loop.project import Project
from everloop.server import mlflow
from everloop.server.bind import check_bind
from everloop.server.call import Context
from everloop.server.live import Live
from everloop.server.middleware.body_limit import BodyLimit
from everloop.server.middleware.compress import Compress
from everloop.server.middleware.errors import Errors, Form, json_form
from everloop.server.middleware.hosts import Hosts
from everloop.server.middleware.measure import Measure
from everloop.server.middleware.origins import Origins
from everloop.server.middleware.request_id import RequestId
from everloop.server.middleware.security_headers import SecurityHeaders
from everloop.server.middleware.tokens import LOCAL, Principal, Tokens
from everloop.server.middleware.visits import Visits, form_key
from everloop.server.pages._base import error_page
from everloop.server.routes import ROUTES
from everloop.server.routing import Paths, Pools, Route, mounted


def create_app(
    project: Project,
    *,
    token: str = "",
    host: str = "127.0.0.1",
    serve_url: str = "http://127.0.0.1:5051",
    max_body_mb: float = 16.0,
    max_artifact_mb: float = 10_000.0,
    routes: Sequence[Route] = ROUTES,
    live: Live | None = None,
    local: Principal = LOCAL,
    lines: JsonLines | None = None,
) -> ASGIApp:
    """The control plane's ASGI application.

    Parameters
    ----------
    token : what callers must show; empty on loopback lets everybody on this machine in.
    host : the address it will be bound to, which decides what ``Host`` headers are accepted.
    serve_url : the data plane's address.
    max_body_mb, max_artifact_mb : largest request body, and largest file, in megabytes.
    local : who everybody is when there is no token.
    lines : where requests are told of, one line each.
    live : the streams of runs that go on; who ends the server closes them.

    Raises :class:`~everloop.errors.Forbidden` for a bind beyond loopback without a token.
    """
    check_bind(host, token)
    context = Context(project, serve_url, token, live=live or Live())
    pools = Pools.new()
    applications = [*mounted(routes, context, pools), *mlflow.mounted(context, pools.quick)]
    app: ASGIApp = Paths(applications, mlflow.unknown)
    programs = ("/api/", *mlflow.PREFIXES)
    # From the inside out: the last one sees a request first.
    app = Compress(app, plain=programs, pages=("/api/v1/metrics/curves",))
    app = BodyLimit(
        app, int(max_body_mb * 1_000_000), artifact_limit=int(max_artifact_mb * 1_000_000)
    )
    app = Tokens(app, token, local, project.people, project.sessions, context.throttle, programs)
    app = Origins(app)
    app = Hosts(app, host)
    forms: dict[str, Form] = dict.fromkeys(mlflow.PREFIXES, mlflow.wire_form)
    forms["/api/"] = json_form
    app = Errors(app, error_page, forms)
    app = Visits(app, project.keys.public, form_key(project.keys))
    app = SecurityHeaders(app)
    app = Measure(app, context.metrics, lines)
    return RequestId(app)
