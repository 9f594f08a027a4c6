"""The contract of searching: what a filter means, and pages that do not drift."""

from __future__ import annotations

import math

import pytest

from everloop.errors import InvalidInput
from everloop.testing._base import Backend, Stores
from everloop.tracking.records import Point

ODD = "a'b\"c`d\\e%f_g;--é$1:x"
"""A text in which much means something to some database."""


def names(
    stores: Stores, filter: str = "", order_by: tuple[str, ...] = (), limit: int = 100
) -> list[str]:
    """The names of all runs of a search, read page by page."""
    found: list[str] = []
    token = None
    while True:
        page = stores.runs.search([0], filter, order_by, limit=limit, token=token)
        found, token = found + [run.name for run in page.items], page.next
        if token is None:
            return found


class SearchContract(Backend):
    """Runs and experiments, by filter and order."""

    @pytest.fixture
    def filled(self, stores: Stores) -> Stores:
        """Nine runs; their names count them, the last started last."""
        for n in range(9):
            run = stores.runs.create(0, name=f"r{n}", started=100 + n, tags={"odd": str(n % 2)})
            values = [0.5, math.nan, math.inf, -math.inf] + [n / 10] * 9
            points = [Point("loss", values[n], 1)] if n < 8 else []
            stores.runs.log(run.id, points=points, params={"depth": str(n), "kind": f"K{n % 3}"})
        return stores

    def test_the_newest_come_first(self, filled: Stores) -> None:
        for limit in (1, 2, 100):
            assert names(filled, limit=limit) == [f"r{n}" for n in range(8, -1, -1)]

    @pytest.mark.parametrize(
        ("filter", "expected"),
        [
            ("params.depth = '3'", "3"),
            ("tags.odd = '1' AND params.depth != '3'", "157"),
            ("params.kind LIKE 'K%' AND params.kind ILIKE 'k2'", "258"),
            ("params.kind LIKE 'k2'", ""),
            ("metrics.loss > 0.5", "267"),
            ("metrics.loss <= 0.5", "0345"),
            ("attributes.run_name IN ('r1', 'r2', 'nothing')", "12"),
            ("params.depth IN ('1', '8')", "18"),
            ("params.depth = '1' OR (tags.odd = '0' AND metrics.loss < 0.5)", "14"),
            ("params.nothing = 'x'", ""),
            ("start_time >= 106", "678"),
        ],
    )
    def test_filters(self, filled: Stores, filter: str, expected: str) -> None:
        got = names(filled, filter, limit=2)
        assert sorted(name[1:] for name in got) == list(expected)

    def test_numbers_come_before_what_is_none(self, filled: Stores) -> None:
        up = names(filled, order_by=("metrics.loss ASC",), limit=2)
        down = names(filled, order_by=("metrics.loss DESC",), limit=2)
        assert (up[:2], up[4:]) == (["r3", "r4"], ["r6", "r7", "r2", "r1", "r8"])
        assert (down[:3], down[5:]) == (["r2", "r7", "r6"], ["r4", "r3", "r1", "r8"])
        assert set(up[2:4]) == set(down[3:5]) == {"r0", "r5"}

    def test_runs_of_one_millisecond(self, stores: Stores) -> None:
        made = {stores.runs.create(0, name=f"r{n}", started=7).name for n in range(7)}
        found = names(stores, limit=2)
        assert (set(found), len(found)) == (made, 7)

    def test_pages_do_not_drift_while_others_write(
        self, servers: list[Stores], filled: Stores
    ) -> None:
        there = servers[1].runs
        for order in ((), ("params.depth DESC",), ("metrics.loss ASC",)):
            expected = names(filled, "tags.odd = '0'", order)
            found: list[str] = []
            token = None
            while True:
                page = filled.runs.search([0], "tags.odd = '0'", order, limit=2, token=token)
                found, token = found + [run.name for run in page.items], page.next
                if token is None:
                    break
                there.create(0, name="new", started=10_000, tags={"odd": "1"})
                there.create(0, name="old", started=1, tags={"odd": "1"})
            assert found == expected

    def test_deleted_runs_are_apart(self, filled: Stores) -> None:
        gone = filled.runs.search([0], "params.depth = '4'").items[0].id
        filled.runs.delete(gone, "me")
        assert "r4" not in names(filled)
        assert [run.id for run in filled.runs.search([0], view="deleted").items] == [gone]
        assert len(filled.runs.search([0], view="all").items) == 9

    def test_texts_are_no_commands(self, stores: Stores) -> None:
        quoted = ODD.replace("'", "").replace("\\", "")
        run = stores.runs.create(0, name="odd", tags={"t": quoted, quoted.replace("`", ""): "v"})
        stores.runs.log_params(run.id, {"p": quoted})
        assert names(stores, f"tags.t = '{quoted}'") == ["odd"]
        assert names(stores, f"params.p = '{quoted}'") == ["odd"]
        for filter in (f"tags.t = '{ODD}'", "params.p = ''; DROP TABLE runs", "1 = 1", "a'"):
            with pytest.raises(InvalidInput):
                stores.runs.search([0], filter)
        assert names(stores) == ["odd"]

    def test_experiments_are_found(self, stores: Stores) -> None:
        for n in range(5):
            stores.experiments.create(f"e{n}", tags={"team": "ab"[n % 2]})
        search = stores.experiments.search
        assert [
            one.name for one in search("name LIKE 'e%' AND tags.team = 'b'", ["name"]).items
        ] == [
            "e1",
            "e3",
        ]
        first = search(order_by=["name DESC"], limit=4)
        stores.experiments.create("e3x")
        rest = search(order_by=["name DESC"], limit=4, token=first.next)
        assert [one.name for one in first.items + rest.items] == [
            "e4", "e3", "e2", "e1", "e0", "Default",
        ]  # fmt: skip

    def test_forged_tokens_are_refused(self, filled: Stores) -> None:
        first = filled.runs.search([0], limit=2)
        assert first.next is not None
        for token in ("forged", "é", "=", "k6FhYQ", "A" * 30_000, first.next[:-3]):
            with pytest.raises(InvalidInput) as caught:
                filled.runs.search([0], limit=2, token=token)
            assert caught.value.code == "bad_page_token"
