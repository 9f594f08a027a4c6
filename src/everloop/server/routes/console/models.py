"""The pages of models, of their versions, and of what a version is asked."""

from __future__ import annotations

from everloop.console.models.beside import VersionsCompared
from everloop.console.models.listed import ModelPage, ModelsPage
from everloop.console.models.version import AnswerPage, LineagePage, VersionPage
from everloop.server.pages import models
from everloop.server.routes.console._base import form, pair

VERSION = "/models/{model}/versions/{version}"

# fmt: off
MODELS = (
    *pair("/models", models.models, models.models_json, ModelsPage, "The page of models",
          query=("filter", "after")),
    *pair("/models/{model}/compare", models.compare, models.compare_json, VersionsCompared,
          "Two versions beside each other: versions=3,5", query=("versions", "before", "after"),
          slow=True),
    *pair("/models/{model}", models.model, models.model_json, ModelPage, "A model's page",
          query=("before",)),
    form("/models/{model}", models.change_model, "write",
         "Its forms: do (describe, tag, untag, alias, unalias) with description, key and value, "
         "alias and version; leads to it again"),
    *pair(VERSION + "/ask", models.answer, models.answer_json, AnswerPage,
          "What a version answers to a question of its page",
          query=("feature", "by", "row", "do"), slow=True),
    *pair(VERSION + "/lineage", models.lineage, models.lineage_json, LineagePage,
          "What a version came from and where it went"),
    form(VERSION, models.change_version, "write",
         "Its forms: do (describe, tag, untag) with description, or key and value; leads to it "
         "again"),
    *pair(VERSION, models.version, models.version_json, VersionPage, "A version's page"),
)
# fmt: on
