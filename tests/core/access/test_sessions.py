from datetime import UTC, datetime, timedelta

import pytest

from core.access.sessions import csrf_matches, csrf_token, is_idle, needs_touch

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_the_csrf_token_follows_from_the_cookie_and_does_not_show_it() -> None:
    token = csrf_token("cookie")
    assert token == csrf_token("cookie")
    assert token != csrf_token("cookif")
    assert (len(token), "cookie" in token) == (52, False)


@pytest.mark.parametrize("given", ["", "x", "令", "\ud800"])
def test_csrf_comparison_takes_any_text(given: str) -> None:
    token = csrf_token("cookie")
    assert csrf_matches(token, token)
    assert not csrf_matches(token, given)


@pytest.mark.parametrize(("hours", "seconds", "expected"), [(11, 3599, False), (12, 0, True), (13, 0, True)])
def test_a_session_sleeps_after_twelve_hours(hours: int, seconds: int, expected: bool) -> None:
    assert is_idle(NOON, NOON + timedelta(hours=hours, seconds=seconds), idle_hours=12) is expected


@pytest.mark.parametrize(("seconds", "expected"), [(0, False), (59, False), (60, True)])
def test_last_use_is_noted_once_a_minute(seconds: int, expected: bool) -> None:
    assert needs_touch(NOON, NOON + timedelta(seconds=seconds)) is expected
