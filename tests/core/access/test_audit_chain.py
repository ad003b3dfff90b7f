"""The chain itself, without a database: every way to tamper with it is named."""

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from core.access.audit import (
    GENESIS,
    AuditFault,
    AuditFinding,
    ChainCheck,
    ChainHead,
    next_row,
    plain,
    signed,
    verify,
)
from core.access.model import ApprovalState, AuditEntry, AuditRow

KEY = b"k" * 32
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def chain(length: int) -> list[AuditRow]:
    rows: list[AuditRow] = []
    head = ChainHead(0, GENESIS)
    for number in range(length):
        entry = AuditEntry(event="call.closed", actor="ada", team_id=1, detail={"number": number})
        row = next_row(entry, previous=head, at=NOON + timedelta(seconds=number), key=KEY)
        rows.append(row)
        head = ChainHead(row.sequence, row.row_hash)
    return rows


def head_of(rows: list[AuditRow]) -> ChainHead:
    return ChainHead(rows[-1].sequence, rows[-1].row_hash)


ROWS = chain(8)
HEAD = head_of(ROWS)


def test_the_hash_is_what_the_description_says() -> None:
    row = ROWS[0]
    assert (row.sequence, row.previous_hash) == (1, "0" * 64)
    fields = {
        "sequence": 1,
        "at": "2026-11-20T12:00:00.000000+00:00",
        "event": "call.closed",
        "team_id": 1,
        "actor": "ada",
        "skill_id": "",
        "trace_id": "",
        "detail": {"number": 0},
        "previous_hash": "0" * 64,
    }
    assert row.row_hash == hmac.new(KEY, rfc8785.dumps(fields), hashlib.sha256).hexdigest()
    assert ROWS[1].previous_hash == row.row_hash


def test_a_sound_chain_has_no_finding() -> None:
    assert verify(ROWS, KEY, HEAD) is None
    assert verify(ROWS, KEY, None) is None
    assert verify([], KEY, None) is None


@pytest.mark.parametrize("known", range(1, 9))
def test_a_head_that_is_behind_is_no_alarm(known: int) -> None:
    assert verify(ROWS, KEY, head_of(ROWS[:known])) is None


EDITS = {
    "at": NOON - timedelta(days=1),
    "event": "x",
    "team_id": 2,
    "actor": "eve",
    "skill_id": "x",
    "trace_id": "x",
    "detail": {"number": 99},
    "row_hash": "0" * 64,
}


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("field", EDITS)
def test_an_edited_row_is_found(place: int, field: str) -> None:
    rows = [*ROWS]
    rows[place] = replace(rows[place], **{field: EDITS[field]})
    assert verify(rows, KEY, HEAD) == AuditFinding(place + 1, AuditFault.EDITED)


def test_the_link_is_covered_too() -> None:
    rows = [*ROWS]
    rows[3] = replace(rows[3], previous_hash=ROWS[0].row_hash)
    assert verify(rows, KEY, HEAD) == AuditFinding(4, AuditFault.MOVED)


@pytest.mark.parametrize("place", range(8))
def test_a_deleted_row_is_found(place: int) -> None:
    fault = AuditFault.TRUNCATED if place == 7 else AuditFault.DELETED
    assert verify(ROWS[:place] + ROWS[place + 1 :], KEY, HEAD) == AuditFinding(place + 1, fault)


@pytest.mark.parametrize("place", range(7))
def test_a_deleted_row_is_found_when_the_others_are_renumbered(place: int) -> None:
    rows = ROWS[:place] + [replace(row, sequence=row.sequence - 1) for row in ROWS[place + 1 :]]
    assert verify(rows, KEY, HEAD) == AuditFinding(place + 1, AuditFault.MOVED)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (2, 5), (6, 7)])
def test_swapped_rows_are_found(first: int, second: int) -> None:
    rows = [*ROWS]
    rows[first] = replace(ROWS[second], sequence=first + 1)
    rows[second] = replace(ROWS[first], sequence=second + 1)
    assert verify(rows, KEY, HEAD) == AuditFinding(first + 1, AuditFault.MOVED)


@pytest.mark.parametrize("kept", range(8))
def test_a_cut_tail_is_found_by_the_head(kept: int) -> None:
    assert verify(ROWS[:kept], KEY, HEAD) == AuditFinding(kept + 1, AuditFault.TRUNCATED)
    assert verify(ROWS[:kept], KEY, None) is None


def test_a_row_inserted_or_signed_with_another_key_is_found() -> None:
    forged = signed(replace(ROWS[4], actor="eve"), b"x" * 32)
    assert verify([*ROWS[:4], forged, *ROWS[5:]], KEY, HEAD) == AuditFinding(5, AuditFault.EDITED)
    assert verify([*ROWS[:4], ROWS[3], *ROWS[4:]], KEY, HEAD) == AuditFinding(5, AuditFault.DELETED)


def test_a_sound_row_of_another_chain_is_found() -> None:
    foreign = signed(replace(ROWS[4], previous_hash=ROWS[0].row_hash), KEY)
    assert verify([*ROWS[:4], foreign, *ROWS[5:]], KEY, HEAD) == AuditFinding(5, AuditFault.MOVED)


def test_a_chain_rewritten_with_the_key_is_found_by_the_head() -> None:
    head = ChainHead(6, ROWS[5].row_hash)
    rows: list[AuditRow] = []
    previous = ChainHead(0, GENESIS)
    for row in ROWS:
        changed = replace(row, actor="eve" if row.sequence == 2 else row.actor, previous_hash=previous.row_hash)
        rows.append(signed(changed, KEY))
        previous = head_of(rows)
    assert verify(rows, KEY, None) is None
    assert verify(rows, KEY, head) == AuditFinding(6, AuditFault.REWRITTEN)


def test_values_canonical_json_cannot_hold_are_edits_and_not_crashes() -> None:
    for value in (float("nan"), 2**60):
        rows = [*ROWS]
        rows[2] = replace(rows[2], detail={"number": value})
        assert verify(rows, KEY, HEAD) == AuditFinding(3, AuditFault.EDITED)


def test_blocks_are_checked_as_one_chain() -> None:
    check = ChainCheck(KEY, HEAD)
    assert [check.read(ROWS[start : start + 3]) for start in (0, 3, 6)] == [None, None, None]
    assert check.finish() is None
    check = ChainCheck(KEY, HEAD)
    check.read(ROWS[:3])
    assert check.read(ROWS[4:]) == AuditFinding(4, AuditFault.DELETED)


def test_findings_say_what_is_wrong() -> None:
    assert AuditFinding(7, AuditFault.DELETED).message == "Row 7: the row is missing."
    assert {AuditFinding(1, fault).message for fault in AuditFault} != set()


def test_details_become_plain() -> None:
    value = {
        1: Decimal("1E+2"),
        "moment": NOON,
        "state": ApprovalState.PENDING,
        "big": 2**53,
        "floats": [1.5, 1e300, float("inf"), float("nan")],
        "set": {"b", "a"},
        "text": "a\0b\ud800",
        "none": None,
        "flag": True,
    }
    assert plain(value) == {
        "1": "100",
        "moment": "2026-11-20 12:00:00+00:00",
        "state": "pending",
        "big": "9007199254740992",
        "floats": [1.5, "1e+300", "inf", "nan"],
        "set": ["a", "b"],
        "text": "a\ufffdb?",
        "none": None,
        "flag": True,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_detail_can_be_signed_and_checked(detail) -> None:
    entry = AuditEntry(event="e\0", actor="a" * 300, skill_id="\ud800", trace_id="t" * 100, detail=detail)
    row = next_row(entry, previous=ChainHead(0, GENESIS), at=NOON, key=KEY)
    assert verify([row], KEY, head_of([row])) is None
