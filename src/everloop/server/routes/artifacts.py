"""Files of runs and datasets."""

from __future__ import annotations

from everloop.server.api import artifacts
from everloop.server.call import Page
from everloop.server.routes._paths import RUN, V1
from everloop.server.routing import Route
from everloop.tracking.artifacts.store import Entry
from everloop.tracking.deletion.collection import Collected

# fmt: off
ARTIFACTS = (
    Route("GET", RUN + "/artifacts", artifacts.listing, "read", "What lies in a run's folder",
          answer=Page, query=("folder", "after", "limit")),
    Route("GET", RUN + "/artifacts/{path:path}", artifacts.get, "read",
          "A run's file; Range gives a part", media="*/*"),
    Route("PUT", RUN + "/artifacts/{path:path}", artifacts.put, "write",
          "Store the body as a run's file", answer=Entry, status=201),
    Route("DELETE", RUN + "/artifacts/{path:path}", artifacts.delete, "write",
          "Remove a run's file or folder", answer=artifacts.DeletedFiles),
    Route("POST", V1 + "/gc", artifacts.collect, "admin",
          "Free what was deleted long ago", body=artifacts.CollectBody, answer=Collected,
          slow=True),
)
# fmt: on
