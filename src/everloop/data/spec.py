"""The ``[data]`` section of a loop file."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from everloop.data.forecast import ForecastSpec
from everloop.data.schema import Task


class DataSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the data is and what its columns mean."""

    source: str  # path or glob beside the loop file, s3://, gs://, az://, or a database's URL
    target: str  # the column to predict; a list of columns of 0 and 1 is a label each
    query: str | None = None  # the SQL that reads a database
    # whether rows stay where they are and are read in passes; auto: when they outgrow the memory
    stream: bool | Literal["auto"] = "auto"
    sample: int = 200_000  # of such rows: how many compare the candidates; half as many test
    schema: str | None = None  # a file that pins the schema; everloop schema --out writes it
    time: str | None = None  # a datetime column; then splits and windows follow it
    id: str | None = None  # joins labels that come later to predictions
    ignore: tuple[str, ...] = ()  # columns that are neither features nor keys
    categories: tuple[str, ...] = ()  # columns of codes: categories although they look like numbers
    max_levels: int = 128  # of a category: the most frequent; rarer ones count as unseen
    text: tuple[str, ...] = ()  # columns of texts; long texts are found without it
    images: tuple[str, ...] = ()  # columns of images in base64; bytes are found without it
    image_size: tuple[int, ...] = ()  # height and width to scale images to
    sequences: tuple[str, ...] = ()  # columns of JSON lists; lists are found without it
    task: Task | None = None  # what is predicted; read off the target without it
    labels: tuple[str, ...] = ()  # columns of 0 and 1, a label each; they become the target
    action: str | None = None  # of a bandit: the column of what was done; the target is its reward
    propensity: str | None = None  # how probable the action was; without it all were alike
    unlabelled: bool = False  # of the task anomaly: the source has no labels, feedback may
    group: str | None = None  # of a ranking: the column whose rows are ranked together
    quantiles: tuple[float, ...] = ()  # of the task quantile; 0.1, 0.5 and 0.9 without it
    forecast: ForecastSpec | None = None  # each row is given the target's past
    environment: str | None = None  # of gymnasium, in which a policy learns, instead of a source
    environment_arguments: dict[str, Any] = {}  # what the environment is made with
    feedback: bool = True  # add labelled predictions from the log to the training data
    # columns whose unit has changed on purpose, until a version that learned it is the champion
    new_units: tuple[str, ...] = ()
