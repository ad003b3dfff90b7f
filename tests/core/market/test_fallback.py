from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from core.clock import CHINA
from core.errors import ErrorKind
from core.market.fallback import AllSourcesFailed, Circuit, LiveBars, LiveInstruments, LiveQuotes
from core.market.model import (
    Adjustment,
    BarSeries,
    Board,
    Exchange,
    Frequency,
    Instrument,
    InstrumentKind,
    Provenance,
    Quote,
)
from core.market.providers.last_answers import FileAnswers
from core.market.sources import SourceAnswerInvalid, SourceLacks, SourceUnavailable

pytestmark = pytest.mark.anyio
DAY = date(2026, 11, 20)


def quote(symbol, source="one", price="10.00"):
    return Quote(
        symbol=symbol,
        name="模拟",
        last_price=Decimal(price),
        reference_price=Decimal("9.90"),
        open=None,
        high=None,
        low=None,
        volume=100,
        amount=None,
        trade_date=DAY,
        at=datetime(2026, 11, 20, 15, 0, tzinfo=CHINA),
        currency="CNY",
        is_suspended=False,
        source=source,
    )


def series(symbol="600519.SH", adjustment=Adjustment.RAW):
    return BarSeries(
        symbol=symbol,
        frequency=Frequency.DAY,
        adjustment=adjustment,
        times=np.array(["2026-11-18", "2026-11-19"], dtype="datetime64[D]"),
        columns={
            "close": np.array([1.5, 2.5]),
            "volume": np.array([100, 200], dtype=np.int64),
            "amount": np.array([150.0, np.nan]),
        },
        provenance=Provenance(
            dataset="one daily bars", as_of="2026-11-19", simulated=False, adjustment=adjustment, currency="CNY"
        ),
    )


PINGAN = Instrument(
    symbol="000001.SZ",
    name="平安银行",
    exchange=Exchange.SZSE,
    board=Board.MAIN,
    kind=InstrumentKind.STOCK,
    currency="CNY",
    list_date=date(1991, 4, 3),
)


@dataclass
class Fake:
    """A source of all three kinds that knows some symbols, or fails."""

    name: str
    known: tuple[str, ...] = ()
    failure: Exception | None = None
    asked: list[object] = field(default_factory=list)

    async def quotes(self, symbols):
        self.asked.append(tuple(symbols))
        if self.failure:
            raise self.failure
        return [quote(symbol, self.name) for symbol in symbols if symbol in self.known]

    async def instruments(self):
        self.asked.append("instruments")
        if self.failure:
            raise self.failure
        return [PINGAN]

    async def bars(self, symbol, *, start, end, adjustment):
        self.asked.append(symbol)
        if self.failure:
            raise self.failure
        return series(symbol, adjustment)


def down(name, **data):
    return SourceUnavailable(source=name, reason="host answered 502", **data)


@pytest.fixture
def circuit(clock):
    return Circuit(clock)


def live(clock, circuit, *sources, last_answers=None):
    return LiveQuotes(sources, clock=clock, circuit=circuit, last_answers=last_answers)


async def test_the_first_source_is_enough(clock, circuit):
    one, two = Fake("one", ("A.SH",)), Fake("two", ("A.SH",))
    answer = await live(clock, circuit, one, two).quotes_sourced(["A.SH"])
    assert [each.source for each in answer.value] == ["one"]
    assert two.asked == []
    assert answer.provenance == Provenance(
        dataset="live quotes (one)",
        as_of="2026-11-20T15:00:00+08:00",
        simulated=False,
        adjustment=Adjustment.RAW,
        currency="CNY",
    )


@pytest.mark.parametrize(
    "failure", [down("one"), SourceAnswerInvalid(source="one", reason="f2 is missing")], ids=["down", "invalid"]
)
async def test_a_failing_source_is_a_warning(clock, circuit, failure):
    answer = await live(clock, circuit, Fake("one", failure=failure), Fake("two", ("A.SH",))).quotes_sourced(["A.SH"])
    assert answer.provenance.dataset == "live quotes (two)"
    assert answer.provenance.warnings == (f"one did not answer: {failure.data['reason']}",)


async def test_later_sources_are_asked_only_for_what_is_missing(clock, circuit):
    one, two, three = Fake("one", ("A.SH",)), Fake("two", ("B.SZ",)), Fake("three", ("C.HK",))
    answer = await live(clock, circuit, one, two, three).quotes(["B.SZ", "A.SH", "X.SH", "B.SZ"])
    assert [each.symbol for each in answer] == ["B.SZ", "A.SH"]
    assert (one.asked, two.asked) == ([("B.SZ", "A.SH", "X.SH")], [("B.SZ", "X.SH")])
    assert three.asked == [("X.SH",)]


async def test_all_failing_lists_every_reason(clock, circuit):
    sources = Fake("one", failure=down("one")), Fake("two", failure=down("two"))
    with pytest.raises(AllSourcesFailed) as caught:
        await live(clock, circuit, *sources).quotes(["A.SH"])
    error = caught.value
    assert (error.kind, error.code) == (ErrorKind.UNAVAILABLE, "upstream_unavailable")
    assert isinstance(error, SourceUnavailable)
    assert str(error) == "No market data source answered: one: host answered 502; two: host answered 502"
    assert error.extras() == {
        "sources": [{"name": "one", "reason": "host answered 502"}, {"name": "two", "reason": "host answered 502"}]
    }


async def test_no_source_at_all(clock, circuit):
    with pytest.raises(AllSourcesFailed, match="none is configured"):
        await live(clock, circuit).quotes(["A.SH"])


async def test_unknown_symbols_of_working_sources_are_no_outage(clock, circuit):
    answer = await live(clock, circuit, Fake("one")).quotes_sourced(["X.SH"])
    assert (answer.value, answer.provenance.as_of, answer.provenance.warnings) == ([], None, ())
    assert await live(clock, circuit).quotes([]) == []


async def test_a_bug_is_not_taken_for_an_outage(clock, circuit):
    with pytest.raises(KeyError):
        await live(clock, circuit, Fake("one", failure=KeyError("x"))).quotes(["A.SH"])


async def test_a_failed_source_rests_then_is_tried_again(clock, circuit):
    one, two = Fake("one", ("A.SH",), failure=down("one")), Fake("two", ("A.SH",))
    quotes = live(clock, circuit, one, two)
    await quotes.quotes(["A.SH"])
    clock.advance(timedelta(seconds=20))
    answer = await quotes.quotes_sourced(["A.SH"])
    assert len(one.asked) == 1
    assert answer.provenance.warnings == ("one did not answer: failed lately, asked again in 10 s",)
    clock.advance(timedelta(seconds=10))
    one.failure = None
    answer = await quotes.quotes_sourced(["A.SH"])
    assert (answer.provenance.dataset, answer.provenance.warnings) == ("live quotes (one)", ())
    assert circuit.rests == {}


async def test_rests_double_up_to_ten_minutes(clock, circuit):
    rests = []
    for _ in range(7):
        circuit.failed("one")
        rests.append(circuit.rest_left("one"))
        clock.advance(timedelta(seconds=rests[-1]))
        assert circuit.rest_left("one") == 0
    assert rests == [30, 60, 120, 240, 480, 600, 600]


async def test_a_source_rests_as_long_as_it_asked_for(clock, circuit):
    one = Fake("one", failure=down("one", retry_after_seconds=120.0))
    with pytest.raises(AllSourcesFailed):
        await live(clock, circuit, one).quotes(["A.SH"])
    assert circuit.rest_left("one") == 120
    circuit.failed("two", at_least=86_400)
    assert circuit.rest_left("two") == 600


async def test_a_source_that_lacks_something_does_not_rest(clock, circuit):
    one = Fake("one", failure=SourceLacks(source="one", reason="bars of A.SH"))
    bars = LiveBars([one, Fake("two")], clock=clock, circuit=circuit)
    answer = await bars.bars("A.SH", start=DAY, end=DAY, adjustment=Adjustment.FORWARD)
    assert answer.adjustment is Adjustment.FORWARD
    assert answer.provenance.warnings == ("one did not answer: bars of A.SH",)
    assert circuit.rest_left("one") == 0


async def test_instruments_of_the_first_that_answers(clock, circuit):
    sources = Fake("one", failure=down("one")), Fake("two")
    answer = await LiveInstruments(sources, clock=clock, circuit=circuit).instruments_sourced()
    assert answer.value == [PINGAN]
    assert (answer.provenance.dataset, answer.provenance.as_of) == ("instruments (two)", "2026-11-20T15:30:00+08:00")
    assert answer.provenance.warnings == ("one did not answer: host answered 502",)
    circuit.failed("two")
    with pytest.raises(AllSourcesFailed, match="two: failed lately"):
        await LiveInstruments(sources, clock=clock, circuit=circuit).instruments()


@pytest.fixture
def answers(tmp_path, clock):
    return FileAnswers(tmp_path / "live", clock)


async def test_remembered_quotes_stand_in_and_say_their_age(clock, circuit, answers):
    one = Fake("one", ("A.SH", "B.SZ"))
    quotes = live(clock, circuit, one, last_answers=answers)
    await quotes.quotes(["A.SH", "B.SZ"])
    one.failure = down("one")
    clock.advance(timedelta(minutes=25))
    answer = await quotes.quotes_sourced(["A.SH", "C.HK"])
    assert answer.value == [quote("A.SH", "one, remembered")]
    assert answer.provenance.warnings == (
        "one did not answer: host answered 502",
        "A.SH: no live quote; remembered from 2026-11-20T15:30:00+08:00, 25 minutes ago",
    )
    with pytest.raises(AllSourcesFailed):
        await quotes.quotes(["C.HK"])


async def test_what_is_remembered_survives_the_process(clock, circuit, answers, tmp_path):
    await live(clock, circuit, Fake("one", ("A.SH",)), last_answers=answers).quotes(["A.SH"])
    again = FileAnswers(tmp_path / "live", clock)
    clock.advance(timedelta(days=3))
    answer = await live(clock, circuit, Fake("one", failure=down("one")), last_answers=again).quotes_sourced(["A.SH"])
    assert answer.value == [quote("A.SH", "one, remembered")]
    assert answer.provenance.warnings[1].endswith("remembered from 2026-11-20T15:30:00+08:00, 3 days ago")


async def test_the_file_of_quotes_is_written_at_most_once_a_minute(clock, answers):
    await answers.save_quotes([quote("A.SH")])
    written = (answers.folder / "quotes.json").read_text(encoding="utf-8")
    await answers.save_quotes([quote("B.SZ")])
    assert (answers.folder / "quotes.json").read_text(encoding="utf-8") == written
    assert [each.value.symbol for each in await answers.quotes(["B.SZ"])] == ["B.SZ"]
    clock.advance(timedelta(seconds=60))
    await answers.save_quotes([quote("C.SZ")])
    again = FileAnswers(answers.folder, clock)
    assert [each.value.symbol for each in await again.quotes(["A.SH", "B.SZ", "C.SZ"])] == ["A.SH", "B.SZ", "C.SZ"]
    assert sorted(path.name for path in answers.folder.iterdir()) == ["quotes.json"]


async def test_remembered_instruments(clock, circuit, answers):
    one = Fake("one")
    instruments = LiveInstruments([one], clock=clock, circuit=circuit, last_answers=answers)
    await instruments.instruments()
    one.failure = down("one")
    clock.advance(timedelta(seconds=90))
    answer = await instruments.instruments_sourced()
    assert answer.value == [PINGAN]
    assert answer.provenance.dataset == "instruments (remembered)"
    assert answer.provenance.warnings[1] == "remembered from 2026-11-20T15:30:00+08:00, 90 seconds ago"


async def test_remembered_bars_answer_ranges_they_cover(clock, circuit, answers):
    one = Fake("one")
    bars = LiveBars([one], clock=clock, circuit=circuit, last_answers=answers)
    asked = {"start": date(2026, 11, 1), "end": date(2026, 11, 20), "adjustment": Adjustment.RAW}
    await bars.bars("600519.SH", **asked)
    one.failure = down("one")
    clock.advance(timedelta(hours=5))
    kept = await bars.bars("600519.SH", **asked | {"end": date(2026, 11, 18)})
    assert kept.times.astype(str).tolist() == ["2026-11-18"]
    assert kept.columns["volume"].dtype == np.int64
    assert kept.columns["amount"].tolist() == [150.0]
    assert (kept.provenance.as_of, kept.provenance.dataset) == ("2026-11-18", "one daily bars")
    assert kept.provenance.warnings == (
        "one did not answer: host answered 502",
        "remembered from 2026-11-20T15:30:00+08:00, 5 hours ago",
    )
    for changed in ({"start": date(2026, 10, 1)}, {"end": date(2026, 11, 21)}, {"adjustment": Adjustment.FORWARD}):
        with pytest.raises(AllSourcesFailed):
            await bars.bars("600519.SH", **asked | changed)


async def test_missing_amounts_stay_missing(answers):
    await answers.save_bars(series(), DAY - timedelta(days=9), DAY)
    kept = await answers.bars("600519.SH", DAY - timedelta(days=9), DAY, Adjustment.RAW)
    assert np.isnan(kept.value.columns["amount"][1])
    assert kept.value.columns["close"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"form": 2}', '{"form": 1, "saved_at": "x", "instruments": []}'])
async def test_damaged_files_count_as_absent(answers, damage):
    answers.folder.mkdir()
    (answers.folder / "instruments.json").write_text(damage, encoding="utf-8")
    (answers.folder / "quotes.json").write_text(damage, encoding="utf-8")
    assert await answers.instruments() is None
    assert await answers.quotes(["A.SH"]) == []


async def test_a_folder_that_cannot_be_written_spoils_no_answer(clock, circuit, tmp_path):
    (tmp_path / "live").write_text("a file where the folder should be")
    answers = FileAnswers(tmp_path / "live", clock)
    found = await live(clock, circuit, Fake("one", ("A.SH",)), last_answers=answers).quotes(["A.SH"])
    assert [each.symbol for each in found] == ["A.SH"]
    assert await answers.instruments() is None


async def test_two_desks_on_one_folder_do_not_disturb_each_other(clock, tmp_path):
    one, two = FileAnswers(tmp_path / "live", clock), FileAnswers(tmp_path / "live", clock)
    await one.save_instruments([PINGAN])
    await two.save_instruments([PINGAN, PINGAN])
    kept = await one.instruments()
    assert kept is not None
    assert kept.value == [PINGAN, PINGAN]
    assert [path.name for path in one.folder.iterdir()] == ["instruments.json"]
