"""The pages of models, of their versions, and of what a version is asked."""

from __future__ import annotations

from everloop.console.models import ModelPage, ModelsPage
from everloop.console.version import AnswerPage, VersionPage
from everloop.server.pages import models
from everloop.server.routes.console._base import pair

VERSION = "/models/{model}/versions/{version}"

# fmt: off
MODELS = (
    *pair("/models", models.models, models.models_json, ModelsPage, "The page of models",
          query=("filter", "after")),
    *pair("/models/{model}", models.model, models.model_json, ModelPage, "A model's page",
          query=("before",)),
    *pair(VERSION + "/ask", models.answer, models.answer_json, AnswerPage,
          "What a version answers to a question of its page",
          query=("feature", "by", "row", "do"), slow=True),
    *pair(VERSION, models.version, models.version_json, VersionPage, "A version's page"),
)
# fmt: on
