import httpx
import pytest

from core.market.providers.figures import Malformed
from core.market.providers.wire import Wire, json_object, parse_json
from core.market.sources import SourceAnswerInvalid, SourceUnavailable

pytestmark = pytest.mark.anyio
ONE, TWO = "https://one.example/q", "https://two.example/q"


async def test_the_first_good_answer_is_returned_with_our_headers(wire, mocked):
    route = mocked.get(ONE).respond(200, content=b"body")
    assert await wire.get("s", [ONE], params={"a": "1"}, headers={"Referer": "https://r.example/"}) == b"body"
    request = route.calls.last.request
    assert request.url.query == b"a=1"
    assert request.headers["Referer"] == "https://r.example/"
    assert request.headers["User-Agent"].endswith("dingpan)")


@pytest.mark.parametrize("broken", [httpx.ConnectError, httpx.ConnectTimeout, httpx.RemoteProtocolError])
async def test_a_broken_connection_goes_to_the_next_host(wire, mocked, sleep, broken):
    mocked.get(ONE).mock(side_effect=broken("down"))
    mocked.get(TWO).respond(200, content=b"from two")
    assert await wire.get("s", [ONE, TWO]) == b"from two"
    assert sleep.waits == [0.2]


async def test_attempts_are_bounded_and_waits_double(wire, mocked, sleep):
    route = mocked.get(ONE).respond(502)
    with pytest.raises(SourceUnavailable) as caught:
        await wire.get("s", [ONE])
    assert route.call_count == 3
    assert sleep.waits == [0.2, 0.4]
    assert str(caught.value) == "The market data source s is unavailable: one.example answered 502"


async def test_a_short_retry_after_is_kept(wire, mocked, sleep):
    mocked.get(ONE).mock(side_effect=[httpx.Response(429, headers={"Retry-After": "2"}), httpx.Response(200)])
    assert await wire.get("s", [ONE]) == b""
    assert sleep.waits == [2.0]


@pytest.mark.parametrize(("header", "seconds"), [("120", 120.0), ("Fri, 20 Nov 2026 08:00:00 GMT", 60.0)])
async def test_a_long_retry_after_ends_the_attempts_and_is_told(wire, mocked, sleep, header, seconds):
    route = mocked.get(ONE).respond(503, headers={"Retry-After": header})
    with pytest.raises(SourceUnavailable) as caught:
        await wire.get("s", [ONE])
    assert route.call_count == 1
    assert sleep.waits == []
    assert caught.value.data["retry_after_seconds"] == seconds


@pytest.mark.parametrize("status", [400, 403, 404, 456])
async def test_a_refusal_is_not_tried_again(wire, mocked, status):
    route = mocked.get(ONE).respond(status)
    with pytest.raises(SourceUnavailable, match=f"one.example answered {status}"):
        await wire.get("s", [ONE])
    assert route.call_count == 1


async def test_a_read_timeout_is_not_tried_again(wire, mocked):
    route = mocked.get(ONE).mock(side_effect=httpx.ReadTimeout("slow"))
    with pytest.raises(SourceUnavailable, match="no answer in time"):
        await wire.get("s", [ONE])
    assert route.call_count == 1


async def test_redirects_are_not_followed(wire, mocked):
    mocked.get(ONE).respond(302, headers={"Location": "https://elsewhere.example/"})
    elsewhere = mocked.get("https://elsewhere.example/").respond(200)
    with pytest.raises(SourceUnavailable, match="redirects"):
        await wire.get("s", [ONE])
    assert not elsewhere.called


async def test_redirects_are_not_followed_even_by_a_client_that_would(mocked, sleep):
    mocked.get(ONE).respond(302, headers={"Location": "https://elsewhere.example/"})
    elsewhere = mocked.get("https://elsewhere.example/").respond(200)
    async with httpx.AsyncClient(follow_redirects=True) as client:
        with pytest.raises(SourceUnavailable, match="redirects"):
            await Wire(client, sleep=sleep).get("s", [ONE])
    assert not elsewhere.called


async def test_an_answer_may_fill_the_cap_and_not_pass_it(wire, mocked):
    mocked.get(ONE).respond(200, content=b"x" * 100)
    assert len(await wire.get("s", [ONE], largest=100)) == 100
    with pytest.raises(SourceAnswerInvalid, match="larger than 99 bytes"):
        await wire.get("s", [ONE], largest=99)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"a": 1'])
async def test_what_is_no_json_is_malformed(body):
    with pytest.raises(Malformed):
        parse_json(body)


async def test_json_numbers_keep_their_digits():
    assert str(json_object(b'{"a": 0.10}')["a"]) == "0.10"
    with pytest.raises(Malformed, match=r"an object was expected|a JSON object was expected, not list"):
        json_object(b"[]")
