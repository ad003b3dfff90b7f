from datetime import timedelta

import pytest

from core.access.attempts import MOST_KEYS, Attempts
from core.access.problems import SignInLimited
from core.clock import FrozenClock


@pytest.fixture
def attempts(clock: FrozenClock) -> Attempts:
    return Attempts(clock)


def test_the_sixth_failure_in_fifteen_minutes_is_refused_with_the_time_to_wait(
    attempts: Attempts, clock: FrozenClock
) -> None:
    for _ in range(5):
        attempts.begin(["address:ada"])
        clock.advance(timedelta(minutes=1))
    with pytest.raises(SignInLimited) as caught:
        attempts.begin(["address:ada"])
    assert caught.value.extras() == {"bucket": "sign_in", "retry_after_seconds": 600}
    clock.advance(timedelta(minutes=10))
    attempts.begin(["address:ada"])
    with pytest.raises(SignInLimited):
        attempts.begin(["address:ada"])


def test_a_refused_attempt_does_not_lengthen_the_wait(attempts: Attempts, clock: FrozenClock) -> None:
    for _ in range(5):
        attempts.begin(["address:ada"])
    for _ in range(100):
        with pytest.raises(SignInLimited):
            attempts.begin(["address:ada", "name:ada"])
    clock.advance(timedelta(minutes=15))
    attempts.begin(["address:ada", "name:ada"])


def test_an_address_is_counted_over_all_names(attempts: Attempts) -> None:
    for number in range(5):
        attempts.begin([f"name:user{number}", "address:1.2.3.4"])
    with pytest.raises(SignInLimited):
        attempts.begin(["name:user9", "address:1.2.3.4"])
    attempts.begin(["name:user9", "address:1.2.3.5"])


def test_success_clears_the_name_and_only_itself_from_the_address(attempts: Attempts) -> None:
    for _ in range(4):
        attempts.begin(["name:ada", "address:1.2.3.4"])
    moment = attempts.begin(["name:ada", "address:1.2.3.4"])
    attempts.succeed(moment, name="name:ada", others=["address:1.2.3.4"])
    attempts.begin(["name:ada", "address:1.2.3.4"])
    with pytest.raises(SignInLimited):
        attempts.begin(["name:bob", "address:1.2.3.4"])
    attempts.begin(["name:ada"])


def test_memory_is_bounded(attempts: Attempts) -> None:
    for number in range(MOST_KEYS + 10):
        attempts.begin([f"name:{number}"])
    assert len(attempts._moments) == MOST_KEYS
    attempts.succeed(0.0, name="name:0", others=["name:1"])
    assert len(attempts._moments) == MOST_KEYS
