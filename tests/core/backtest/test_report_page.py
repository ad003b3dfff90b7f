"""The report: what it says, that it stands alone, and that its charts are drawn where they should be."""

import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backtest import charts, report
from core.backtest.charts import Line, axis_ticks, kept_places, line_chart
from core.backtest.pages import equity_svg, report_page
from core.backtest.report import Language
from core.backtest.report_data import calendar_day, prepare
from core.backtest.report_text import METRIC_NAMES, MONTH_NAMES, WORDS, metric_text, money, percent
from core.backtest.results import ResultDraft
from core.backtest.results_draft import draft_of
from tests.support.backtest_runs import EQUITY, draft, long_draft

VOID = {"meta", "polyline", "polygon", "line"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed, or closed in the wrong place; collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Balanced:
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def written(run: ResultDraft, language: Language = Language.ENGLISH) -> report.Report:
    return report.write(run, language=language, result_id=7, made=datetime(2026, 11, 20, 7, 30, tzinfo=UTC))


@pytest.mark.parametrize("language", Language)
def test_page_stands_alone_and_is_well_formed(language: Language) -> None:
    page = written(long_draft(), language)
    parsed = read(page.html)
    assert not parsed.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page.html)
    assert "default-src 'none'" in page.html
    assert "prefers-color-scheme:dark" in page.html
    assert (page.result_id, page.language) == (7, language)
    assert page.title == ("Backtest" if language is Language.ENGLISH else "回测") + ' · 均线 <5/20> & "momentum"'
    assert written(long_draft(), language) == page


def test_english_page_says_what_happened() -> None:
    parsed = read(written(long_draft()).html)
    text = " ".join(parsed.text)
    assert '均线 <5/20> & "momentum"' in text
    for said in (
        "Simulated market: the prices are invented.",
        "The benchmark ends before the run; the comparison is cut there.",
        "10.00 10.10 10.00 1.00%",
        "20230103 to",
        "500 bars",
        "Maximum drawdown -8.74%",
        "Sharpe ratio 1.234",
        "Fees and taxes 3,456.70",
        "Profit factor No trade lost money.",
        "Annualised with 252 days a year.",
        "Benchmark, from the same start",
        "The price was locked at the upper limit: nothing to buy. (limit_up) 5",
        "Shares bought today cannot be sold today. (t_plus_one) 3",
        "Filled whole. (filled) 40",
        "The first 200 of 250.",
        "Jan Feb",
        "initial_cash 1000000.0",
    ):
        assert said in re.sub(r"\s+", " ", text)
    assert parsed.text.count("Sell") == 5


def test_chinese_page_says_it_in_chinese() -> None:
    text = re.sub(r"\s+", " ", " ".join(read(written(long_draft(), Language.CHINESE).html).text))
    for said in (
        "模拟行情",
        "最大回撤 -8.74%",
        "没有亏损的交易。",
        "涨停封板，无法买入 (limit_up) 5",
        "1月 2月",
        "共 250 条，显示前 200 条。",
    ):
        assert said in text


def test_months_and_drawdown_come_from_the_curve() -> None:
    data = prepare(draft())
    assert [(row.year, row.total) for row in data.years] == [(2024, pytest.approx(-0.00999975))]
    assert data.years[0].months[0] == pytest.approx(-0.00999975)
    assert (data.drawdown.start, data.drawdown.trough, data.drawdown.recovery) == (1, 2, None)
    html = written(draft()).html
    assert "Deepest from 20240103 to 20240104, not made good since." in html
    assert "made good on" in written(long_draft()).html


def test_a_fall_from_the_first_day() -> None:
    rows = [{"dt": "2024-01-02 09:31", "equity": 900_000.0}, {"dt": "2024-01-02 09:32", "equity": 1_000_000.0}]
    html = written(draft(equity_curve=rows)).html
    assert "Deepest from the start to 2024-01-02 09:31, made good on 2024-01-02 09:32." in html


def test_benchmark_begins_where_the_equity_did() -> None:
    run = draft(
        benchmark=[
            {"dt": "20240101", "close": 5.0},
            {"dt": "20240103", "close": 50.0},
            {"dt": "20240104", "close": None},
        ]
    )
    assert prepare(run).benchmark == [None, 1_000_000.0, 1_000_000.0]
    none = draft(benchmark=[{"dt": "20250101", "close": 5.0}])
    assert prepare(none).benchmark == []
    assert "Benchmark, from" not in written(none).html


def test_benchmark_may_spell_its_dates_differently() -> None:
    run = draft(benchmark=[{"dt": "2024-01-03", "close": 50.0}, {"dt": "2024-01-04", "close": 75.0}])
    assert prepare(run).benchmark == [None, 1_000_000.0, 1_500_000.0]


@pytest.mark.parametrize("reason", ["no_losses", "No trade lost money."])
def test_reasons_are_translated_from_code_or_sentence(reason: str) -> None:
    html = written(draft(metrics={"profit_factor": None}, undefined={"profit_factor": reason}), Language.CHINESE).html
    assert "没有亏损的交易。" in html


def test_unkept_runs_have_pages_and_pictures_too() -> None:
    run = long_draft(60)
    names = ("metrics", "equity_curve", "trades", "benchmark", "parameters", "undefined", "simulated", "warnings")
    orders = [{**order, "size": size} for order, size in zip(run.orders, ("all", 0.5, 100), strict=False)]
    whole = {name: getattr(run, name) for name in names} | {"orders": orders}
    finished = SimpleNamespace(to_dict=lambda: whole)
    page = report_page(finished, name="mine", language="zh")
    assert "<h1>mine</h1>" in page
    assert "保存时间" not in page
    read(page)
    svg = equity_svg(finished)
    assert svg.startswith("<svg ")
    assert "<style>" in svg
    assert svg.count("<polyline") == 2
    bare = equity_svg(SimpleNamespace(to_dict=lambda: whole | {"benchmark": []}))
    assert bare.count("<polyline") == 1


def test_draft_of_a_result() -> None:
    order = {"id": 1, "size": 0.5, "reason": "filled"}
    given = {
        "metrics": {"sharpe": 1.0, "fingerprint": "abc"},
        "equity_curve": EQUITY,
        "trades": [],
        "orders": [order, {"id": 2}],
        "parameters": {"asset": "stock_day", "since": date(2024, 1, 2)},
    }
    made = draft_of(given, name="x", tags=["a"], program_group="g", strategy="s")
    assert (made.fingerprint, made.dataset, made.parameters["since"]) == ("abc", "stock_day", "2024-01-02")
    assert list(made.orders) == [order | {"size": "0.5"}, {"id": 2}]
    assert (made.tags, made.program_group, made.strategy, made.simulated, made.warnings) == (["a"], "g", "s", False, ())
    assert draft_of(given | {"parameters": {}}, name="x").dataset == ""


def test_little_to_tell() -> None:
    run = ResultDraft(name="idle", metrics={"sharpe": None}, equity_curve=[{"dt": "week 1", "equity": 5.0}])
    html = written(run).html
    read(html)
    assert "Returns by month" not in html
    assert "Orders by outcome" not in html
    assert "<h2>Parameters" not in html
    assert '<p class="soft">None.</p>' in html
    assert '<dd class="missing soft">–</dd>' in html
    assert "Deepest from" not in html
    assert prepare(run).years == ()


def test_foreign_words_are_shown_as_they_are() -> None:
    run = draft(
        orders=[{"side": "short", "reason": "<odd>", "quantity": 1, "filled": True}],
        undefined={"sharpe": "because <x>"},
        trades=[{"entry_dt": "20240102", "pnl": 0.0, "return_bps": None}, {"entry_dt": "20240103", "return_bps": 1.5}],
    )
    html = written(run).html
    read(html)
    for said in ("&lt;odd&gt;", "because &lt;x&gt;", "<td>short</td>", "<td>True</td>", "0.01%"):
        assert said in html


@pytest.mark.parametrize(
    ("parameters", "metrics", "initial"),
    [
        ({"initial_cash": 500_000}, {"total_return": 0.5}, 500_000.0),
        ({}, {"total_return": 0.98000050}, 990_000.25 / 1.98000050),
        ({}, {"total_return": -1.0}, 1_000_000.0),
        ({"initial_cash": "much"}, {}, 1_000_000.0),
    ],
)
def test_initial_cash_is_found(parameters: dict[str, Any], metrics: dict[str, Any], initial: float) -> None:
    run = draft(parameters=parameters, metrics=metrics)
    months = prepare(run).years[0].months
    assert months[0] == pytest.approx(990_000.25 / initial - 1)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20240102", 20240102),
        ("2024-01-02", 20240102),
        ("2024/01/02", 20240102),
        ("2024-01-02 09:31:00", 20240102),
        ("2024-01-02T09:31", 20240102),
        ("202401020931", 20240102),
        ("20241302", None),
        ("20240100", None),
        ("week 1", None),
        ("２０２４０１０２", None),
        ("", None),
    ],
)
def test_days_of_dates_and_moments(text: str, day: int | None) -> None:
    assert calendar_day(text) == day


def test_every_word_is_there_in_both_languages() -> None:
    for english, chinese in (*WORDS.values(), *METRIC_NAMES.values()):
        assert english
        assert any(character > "⺀" for character in chinese)
    assert [len(names) for names in MONTH_NAMES.values()] == [12, 12]
    assert (percent(-0.00001), percent(0.1234), money(-0.001), money(1234.5)) == ("0.00%", "12.34%", "0.00", "1,234.50")
    assert [metric_text(name, 3.0) for name in ("num_trades", "beta", "fees", "win_rate")] == [
        "3",
        "3.000",
        "3.00",
        "300.00%",
    ]


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.integers(2, 8))
def test_ticks_enclose_and_are_round(low: float, spread: float, count: int) -> None:
    ticks = axis_ticks(low, low + spread, count=count)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + step * 1e-6
    assert ticks[-1] >= low + spread - step * 1e-6
    assert 2 <= len(ticks) <= count + 3
    assert ticks == sorted(set(ticks))


def test_ticks_by_hand() -> None:
    assert axis_ticks(0.0, 100.0, count=5) == [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    assert axis_ticks(-0.074, 0.0, count=4) == pytest.approx([-0.08, -0.06, -0.04, -0.02, 0.0])
    assert axis_ticks(5.0, 5.0, count=5) == [5.0, 6.0]
    assert axis_ticks(0.0, 0.0, count=5) == [0.0, pytest.approx(0.2)]


def test_points_are_where_the_values_say() -> None:
    line = Line(values=[0.0, None, 10.0], kind="equity", label="x")
    svg = line_chart([line], dates=["a", "b", "c"], height=138, title="<t>", write=lambda value: f"{value:g}")
    assert "<title>&lt;t&gt;</title>" in svg
    assert '<polyline class="equity" points="76.0,112.0"/>' in svg
    assert '<polyline class="equity" points="948.0,12.0"/>' in svg
    alone = line_chart([line], dates=["a"], height=138, title="t", write=str)
    assert alone.count('text-anchor="middle"') == 1


def test_areas_reach_down_to_zero() -> None:
    line = Line(values=[-0.5, 0.0], kind="fall", label="x", is_filled=True)
    svg = line_chart([line], dates=["a", "b"], height=138, title="t", write=str)
    assert 'points="76.0,12.0 76.0,112.0 948.0,12.0 948.0,12.0"' in svg


def test_one_spike_among_a_hundred_thousand_bars_is_drawn() -> None:
    values: list[float | None] = [1.0 + math.sin(place / 5_000) for place in range(100_000)]
    values[77_777], values[33_333], values[50_000] = 99.0, -99.0, None
    kept = kept_places(values)
    assert {0, 33_333, 77_777, 99_999} <= set(kept)
    assert len(kept) <= 4 * charts.PLOT_WIDTH
    assert kept_places([None] * 2_000, limit=10)[:3] == [0, 199, 200]


def test_an_empty_account_is_drawn() -> None:
    run = replace(draft(parameters={}, metrics={}), equity_curve=[{"dt": "20240102", "equity": 0.0}])
    read(written(run).html)
