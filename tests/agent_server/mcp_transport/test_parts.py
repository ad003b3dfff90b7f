"""The pure parts of the door: shortening, the shelf, pages, allowed hosts."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError
from mcp.types import PaginatedRequestParams

from agent_server.mcp_transport import shelf as shelves
from agent_server.mcp_transport.http_app import security
from agent_server.mcp_transport.pages import page
from agent_server.mcp_transport.shelf import Shelf
from agent_server.shortening import shorten, tokens
from core.access.model import Caller, CallerKind
from core.clock import FrozenClock
from core.ids import SeededIds
from core.settings import Settings

ANNA = Caller(kind=CallerKind.TOKEN, team_id=1, token_id=1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=60) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=40,
)


def test_lists_keep_both_ends_and_nested_cuts_are_added_up() -> None:
    rows = [{"name": "x" * 30, "days": list(range(100))} for _ in range(100)]
    made = shorten({"rows": rows, "total": 100}, most_tokens=300)
    assert tokens(made.value) <= 300
    kept = len(made.value["rows"])
    inner = made.value["rows"][0]["days"]
    assert (inner[0], inner[-1]) == (0, 99)
    assert made.cuts["rows"] == (kept, 100)
    assert made.cuts["rows[].days"] == (kept * len(inner), kept * 100)
    assert made.value["total"] == 100
    assert f"rows shows {kept} of 100" in made.sentence()


@given(JSON)
def test_what_is_shortened_keeps_its_shape(value: Any) -> None:
    def check(whole: Any, short: Any) -> None:
        assert type(whole) is type(short)
        if isinstance(whole, dict):
            assert list(whole) == list(short)
            for name in whole:
                check(whole[name], short[name])
        elif isinstance(whole, str):
            assert whole.startswith(short)
        elif isinstance(whole, list):
            assert len(short) <= len(whole)
        else:
            assert whole == short

    check(value, shorten(value, most_tokens=50).value)


def test_the_shelf_keeps_each_callers_own_for_a_while(clock: FrozenClock) -> None:
    shelf = Shelf(clock, SeededIds(1))
    name = shelf.put(ANNA, b"mine")
    assert shelf.get(ANNA, name) == "mine"
    for other in (replace(ANNA, token_id=2), replace(ANNA, team_id=2)):
        assert shelf.get(other, name) is None
    clock.advance(timedelta(seconds=shelves.KEPT_SECONDS))
    assert shelf.get(ANNA, name) is None


def test_a_caller_who_fills_the_shelf_pushes_out_its_own(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "MOST_BYTES_EACH", 10)
    shelf, ben = Shelf(clock, SeededIds(1)), replace(ANNA, token_id=2)
    theirs = shelf.put(ben, b"12345")
    mine = [shelf.put(ANNA, b"12345") for _ in range(3)]
    assert shelf.get(ben, theirs) == "12345"
    assert [shelf.get(ANNA, name) for name in mine] == [None, "12345", "12345"]


def test_pages_lead_from_one_to_the_next() -> None:
    items, seen, cursor = list(range(7)), [], None
    while True:
        shown, following = page(items, PaginatedRequestParams(cursor=cursor), size=3)
        seen.append(shown)
        if not following:
            break
        cursor = following
    assert seen == [[0, 1, 2], [3, 4, 5], [6]]
    assert page(items, None, size=7) == (items, "")


@pytest.mark.parametrize("cursor", ["", "x", "MTIz", "ZnJvbTot", "ZnJvbTp4", "é", "A" * 500])
def test_cursors_of_others_are_refused(cursor: str) -> None:
    with pytest.raises(MCPError, match="cursor"):
        page([1], PaginatedRequestParams(cursor=cursor))


def test_hosts_and_origins_that_are_answered(tmp_path: Path) -> None:
    local = security(Settings(home=tmp_path))
    assert {"127.0.0.1", "localhost:*", "[::1]:*", "127.0.0.1:8765"} <= set(local.allowed_hosts)
    assert "http://localhost:*" in local.allowed_origins
    public = security(Settings(home=tmp_path, host="0.0.0.0", public_url="https://desk.example:8443/"))
    assert "desk.example:8443" in public.allowed_hosts
    assert public.allowed_origins == ["https://desk.example:8443"]
