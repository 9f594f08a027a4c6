"""What is recorded: datasets, the event log; search, settings and storage."""

from __future__ import annotations

from everloop.data.versions import DatasetVersion
from everloop.loop.deciding import Audited
from everloop.loop.finding import Found
from everloop.loop.lineage import Lineage
from everloop.loop.room import Storage
from everloop.server.api import lineage, looking, records
from everloop.server.call import Page
from everloop.server.routes._paths import KEYSET, OBJECT, V1
from everloop.server.routing import Route

EVENTS = ("kind", "actor", "subject", "since", "until")

# fmt: off
RECORDS = (
    Route("GET", V1 + "/datasets", records.datasets, "read", "Dataset versions, newest first",
          answer=Page, query=("name", *KEYSET)),
    Route("GET", V1 + "/datasets/{digest}", records.dataset, "read", "A dataset version",
          answer=DatasetVersion),
    Route("GET", V1 + "/datasets/{digest}/profile", records.dataset_profile, "read",
          "What the columns of a dataset version hold", answer=OBJECT, slow=True),
    Route("GET", V1 + "/datasets/{digest}/lineage", lineage.of_dataset, "read",
          "What a dataset version came from and what was trained on it, as a graph",
          answer=Lineage),
    Route("GET", V1 + "/events", records.events, "read", "The event log", answer=Page,
          query=("after", *EVENTS, *KEYSET)),
    Route("GET", V1 + "/audit/verify", records.verify, "admin",
          "Find any change of the log, or of the record of a decision",
          answer=Audited, query=("anchor",), slow=True),
    Route("GET", V1 + "/search", looking.search, "read", "Find anything by its name or id",
          answer=Found, query=("q",)),
    Route("GET", V1 + "/settings", looking.settings, "admin",
          "Every setting, secrets hidden, and where it came from", answer=Page),
    Route("GET", V1 + "/storage", looking.storage, "read",
          "What takes room; counts blobs for so many seconds", answer=Storage,
          query=("seconds",), slow=True),
)
# fmt: on
