"""Sliding windows against a slow reference, buckets, identities, bounded memory."""

from copy import deepcopy
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.model import Caller, CallerKind
from core.errors import Limited
from tools import limits
from tools.limits import CONCURRENT_CALLS, Allowance, Limits, SlidingWindow, TooManyAtOnce, identity_of

ALLOWANCE = Allowance("burst", 3, 60.0)


def anonymous(address: str = "198.51.100.7") -> Caller:
    return Caller(kind=CallerKind.ANONYMOUS, address=address)


def token(token_id: int = 1) -> Caller:
    return Caller(kind=CallerKind.TOKEN, token_id=token_id, team_id=1, address="198.51.100.7")


@given(st.lists(st.floats(0, 400), max_size=40).map(sorted))
def test_no_window_of_the_full_length_holds_more_than_the_limit(moments):
    window, accepted = SlidingWindow(ALLOWANCE), []
    for now in moments:
        wait = window.wait("a", now)
        if wait == 0:
            window.count("a", now)
            accepted.append(now)
        else:
            assert deepcopy(window).wait("a", now + wait) == 0  # after the told wait a call fits
            assert sum(1 for moment in accepted if moment > now - 62) >= 3  # and it was not refused for nothing
    for end in accepted:
        assert sum(1 for moment in accepted if end - 60 < moment <= end) <= 3


def refusal(desk_limits, caller, skill_id="x"):
    with pytest.raises(Limited) as caught:
        desk_limits.check(caller, skill_id)
    return caught.value.extras()


def test_tokens_have_a_burst_and_a_daily_bucket(clock):
    desk_limits = Limits(clock)
    for _ in range(600):
        desk_limits.check(token(), "x")
    assert refusal(desk_limits, token()) == {"bucket": "burst", "retry_after_seconds": 61}
    desk_limits.check(token(2), "x")
    for _ in range(32):
        clock.advance(timedelta(minutes=2))
        for _ in range(600):
            desk_limits.check(token(), "x")
    clock.advance(timedelta(minutes=2))
    for _ in range(200):
        desk_limits.check(token(), "x")
    assert refusal(desk_limits, token())["bucket"] == "daily"
    clock.advance(timedelta(days=1, minutes=24))
    desk_limits.check(token(), "x")


def test_anonymous_callers_have_a_smaller_allowance_for_rows(clock):
    desk_limits = Limits(clock)
    for _ in range(10):
        desk_limits.check(anonymous(), "dataasset.data.get")
    assert refusal(desk_limits, anonymous(), "dataasset.data.getRealtime")["bucket"] == "burst"
    for _ in range(50):
        desk_limits.check(anonymous(), "dataasset.get")
    assert refusal(desk_limits, anonymous(), "dataasset.get")["bucket"] == "general"
    for _ in range(9):
        clock.advance(timedelta(minutes=2))
        for _ in range(10):
            desk_limits.check(anonymous(), "dataasset.data.get")
    clock.advance(timedelta(minutes=2))
    assert refusal(desk_limits, anonymous(), "dataasset.data.get")["bucket"] == "daily"
    desk_limits.check(anonymous("198.51.100.8"), "dataasset.data.get")


def test_a_refused_call_is_not_counted(clock):
    desk_limits = Limits(clock)
    for _ in range(60):
        desk_limits.check(anonymous(), "x")
    for _ in range(100):
        refusal(desk_limits, anonymous())
    clock.advance(timedelta(seconds=61))
    desk_limits.check(anonymous(), "x")


def test_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(limits, "IDENTITIES", 5)
    window = SlidingWindow(ALLOWANCE)
    for place in range(50):
        window.count(f"address:{place}", 1.0)
    assert list(window.counts) == [f"address:{place}" for place in range(45, 50)]


@pytest.mark.parametrize(
    ("address", "identity"),
    [
        ("198.51.100.7", "address:198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "network:20010db800010002"),
        ("2001:db8:1:2:ffff::1", "network:20010db800010002"),
        ("::ffff:198.51.100.7", "address:198.51.100.7"),
        ("", "address:"),
        ("unix", "address:unix"),
    ],
)
def test_identities(address, identity):
    assert identity_of(anonymous(address)) == identity
    assert identity_of(token(4)) == "token:4"


def test_calls_at_the_same_time_are_bounded_and_freed(clock):
    desk_limits = Limits(clock)
    held = [desk_limits.running(token()) for _ in range(CONCURRENT_CALLS)]
    for place in held:
        place.__enter__()
    with pytest.raises(TooManyAtOnce) as caught, desk_limits.running(token()):
        pass
    assert caught.value.extras() == {"bucket": "concurrency", "retry_after_seconds": 1}
    with desk_limits.running(token(2)):
        pass
    for place in held:
        place.__exit__(None, None, None)
    with pytest.raises(ZeroDivisionError), desk_limits.running(token()):
        raise ZeroDivisionError
    assert desk_limits._running == {}


def test_only_the_first_refusal_of_a_minute_is_worth_recording(clock):
    desk_limits = Limits(clock)
    assert desk_limits.is_worth_recording(anonymous())
    assert not desk_limits.is_worth_recording(anonymous())
    clock.advance(timedelta(seconds=61))
    assert desk_limits.is_worth_recording(anonymous())


def test_messages_of_a_protocol_have_a_bucket_of_their_own(clock):
    desk_limits = Limits(clock)
    for _ in range(1200):
        desk_limits.check_message(token())
    with pytest.raises(Limited) as caught:
        desk_limits.check_message(token())
    assert caught.value.extras() == {"bucket": "protocol", "retry_after_seconds": 61}
    desk_limits.check(token(), "x")
    desk_limits.check_message(token(2))
