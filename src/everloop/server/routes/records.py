"""The event log."""

from __future__ import annotations

from everloop.data.versions import DatasetVersion
from everloop.loop.deciding import Audited
from everloop.server.api import records
from everloop.server.call import Page
from everloop.server.routes._paths import KEYSET, OBJECT, V1
from everloop.server.routing import Route

# fmt: off
RECORDS = (
    Route("GET", V1 + "/datasets", records.datasets, "read", "Dataset versions, newest first",
          answer=Page, query=("name", *KEYSET)),
    Route("GET", V1 + "/datasets/{digest}", records.dataset, "read", "A dataset version",
          answer=DatasetVersion),
    Route("GET", V1 + "/datasets/{digest}/profile", records.dataset_profile, "read",
          "What the columns of a dataset version hold", answer=OBJECT, slow=True),
    Route("GET", V1 + "/events", records.events, "read", "The event log", answer=Page,
          query=("after", "subject", "limit")),
    Route("GET", V1 + "/audit/verify", records.verify, "admin",
          "Find any change of the log, or of the record of a decision",
          answer=Audited, query=("anchor",), slow=True),
)
# fmt: on
