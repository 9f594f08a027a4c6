"""The survey: four years in order, codes as they are."""

from __future__ import annotations

import polars as pl

from everloop.data.infer import infer_schema
from everloop.data.spec import DataSpec


def test_every_person_is_there_once_and_in_order(persons):
    assert persons.height == 277_677
    assert persons["id"].n_unique() == 277_677
    assert persons["surveyed_at"].is_sorted()
    assert (persons["surveyed_at"].dt.year() == persons["year"]).all()
    assert persons["year"].unique().sort().to_list() == [2015, 2016, 2017, 2018]
    assert persons.filter(pl.col("year") == 2015).height == 68_785
    assert persons.null_count().sum_horizontal().item() == 0


def test_codes_are_categories(persons):
    spec = DataSpec("x", "employed", time="surveyed_at", id="id", ignore=("year",))
    schema = infer_schema(persons, spec).schema
    kinds = [f.kind for f in schema.features]
    assert (kinds.count("category"), kinds.count("number")) == (15, 1)
    assert "prediction" not in schema.names
    assert schema.classes == (False, True)
