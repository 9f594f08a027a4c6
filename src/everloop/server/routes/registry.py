"""Registered models, their versions, and the webhooks on them."""

from __future__ import annotations

from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.fairness.mitigation import Mitigated
from everloop.evaluate.report._base import Report
from everloop.loop.direct import Promoted
from everloop.loop.lineage import Lineage
from everloop.registry.models import Model, ModelVersion
from everloop.registry.webhooks.records import Webhook
from everloop.server.api import (
    explanations,
    lineage,
    models,
    registering,
    reports,
    webhooks,
)
from everloop.server.call import Page
from everloop.server.routes._paths import KEYSET, MODEL, SEARCH, V1, VERSION, WEBHOOK
from everloop.server.routing import Route

# fmt: off
REGISTRY = (
    Route("GET", V1 + "/models", models.listing, "read", "Models by name", answer=Page,
          query=SEARCH),
    Route("POST", V1 + "/models", models.create, "write", "Add a model without versions",
          body=models.NewModel, answer=Model, status=201),
    Route("GET", MODEL, models.get, "read", "A model", answer=Model),
    Route("PATCH", MODEL, models.change, "write", "Rename, describe or tag a model",
          body=models.ModelChange, answer=Model),
    Route("DELETE", MODEL, models.delete, "write", "Delete a model with its versions",
          answer=models.Deleted),
    Route("GET", MODEL + "/versions", models.versions, "read", "Versions, newest first",
          answer=Page, query=KEYSET),
    Route("POST", MODEL + "/versions", models.create_version, "write",
          "Add a version that is known by its source", body=models.NewVersion,
          answer=ModelVersion, status=201),
    Route("POST", MODEL + "/register", registering.register, "write",
          "Register a model that was made elsewhere", body=registering.RegisterBody,
          answer=ModelVersion, status=201, slow=True),
    Route("POST", VERSION + "/promote", registering.promote, "write",
          "Let a version answer at an endpoint at once", body=registering.PromoteBody,
          answer=Promoted, slow=True),
    Route("GET", VERSION, models.version, "read", "A version", answer=ModelVersion),
    Route("GET", VERSION + "/report", reports.of_version, "read",
          "A version's report as JSON, as a page or as a model card", answer=Report,
          query=("as",)),
    Route("POST", VERSION + "/explain", explanations.explain, "read",
          "What each feature adds to the answers to some rows", body=explanations.ExplainBody,
          answer=explanations.Explained, slow=True),
    Route("GET", VERSION + "/importance", explanations.importance, "read",
          "How much worse a version gets without each feature", answer=explanations.Important,
          slow=True),
    Route("GET", VERSION + "/dependence", explanations.dependence, "read",
          "The mean answer over the values of a feature", answer=Dependence,
          query=("feature",), slow=True),
    Route("POST", VERSION + "/counterfactual", explanations.counterfactual, "read",
          "The least change of a row that turns its answer", body=explanations.ChangeBody,
          answer=Counterfactual, slow=True),
    Route("GET", VERSION + "/fairness", explanations.fairness, "read",
          "How groups are treated, and what a fairer model would cost", answer=Mitigated,
          query=("by",), slow=True),
    Route("GET", VERSION + "/lineage", lineage.of_version, "read",
          "What a version came from and where it went, as a graph", answer=Lineage),
    Route("PATCH", VERSION, models.change_version, "write", "Describe, stage or tag a version",
          body=models.VersionChange, answer=ModelVersion),
    Route("DELETE", VERSION, models.delete_version, "write", "Delete a version",
          answer=models.Deleted),
    Route("GET", MODEL + "/aliases", models.aliases, "read", "A model's aliases",
          answer=models.Aliases),
    Route("PUT", MODEL + "/aliases/{alias}", models.set_alias, "write", "Point an alias",
          body=models.AliasBody, answer=models.Aliases),
    Route("DELETE", MODEL + "/aliases/{alias}", models.delete_alias, "write", "Remove an alias",
          answer=models.Aliases),
    Route("GET", V1 + "/model-versions", models.search_versions, "read",
          "Versions of all models, the last changed first", answer=Page, query=SEARCH),
    Route("GET", V1 + "/webhooks", webhooks.listing, "admin", "Webhooks, newest first",
          answer=Page, query=("after", "limit")),
    Route("POST", V1 + "/webhooks", webhooks.create, "admin", "Add a webhook",
          body=webhooks.NewWebhook, answer=Webhook, status=201),
    Route("GET", WEBHOOK, webhooks.get, "admin", "A webhook", answer=Webhook),
    Route("PATCH", WEBHOOK, webhooks.change, "admin", "Change a webhook",
          body=webhooks.WebhookChange, answer=Webhook),
    Route("DELETE", WEBHOOK, webhooks.delete, "admin", "Delete a webhook",
          answer=models.Deleted),
    Route("POST", WEBHOOK + "/test", webhooks.test, "admin", "Send an example now",
          body=webhooks.TestBody, answer=webhooks.Tested, slow=True),
    Route("GET", WEBHOOK + "/deliveries", webhooks.deliveries, "admin",
          "What was sent or waits, newest first", answer=Page, query=("after", "limit")),
)
# fmt: on
