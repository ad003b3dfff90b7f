"""Orders against ticks and books: tables by hand, then a real day of 600519 and 600004."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.matching import tick_kernel
from core.matching.model import RATE, MatchingType, ReasonCode, Side, Slippage
from core.matching.ticks import TickMarket, TickMatch, TickOrder, match

BOOK = TickMarket(
    moments=np.array([10, 20, 30]),
    last=np.array([1000, 1001, 1003]),
    volume=np.array([500, 0, 700]),
    bid_prices=np.array([[999, 998], [1000, 999], [0, 0]]),
    bid_quantities=np.array([[300, 400], [100, 200], [0, 0]]),
    ask_prices=np.array([[1000, 1002], [1001, 1005], [1003, 1004]]),
    ask_quantities=np.array([[200, 500], [100, 900], [100, 100]]),
)
TRADES = TickMarket(moments=BOOK.moments, last=BOOK.last, volume=BOOK.volume)


def order(side: Side, matching: MatchingType, **more: int | Slippage) -> TickOrder:
    return TickOrder(**{"side": side, "quantity": 400, "moment": 10, "matching": matching, "tick": 1} | more)


BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.parametrize(
    ("market", "asked", "expected"),
    [
        (BOOK, order(BUY, MatchingType.NEXT_TICK_LAST), TickMatch(ReasonCode.FILLED, 400, 400 * 1001)),
        (BOOK, order(BUY, MatchingType.NEXT_TICK_BEST_OWN), TickMatch(ReasonCode.FILLED, 400, 400 * 1000)),
        (BOOK, order(BUY, MatchingType.NEXT_TICK_BEST_COUNTERPARTY), TickMatch(ReasonCode.FILLED, 400, 400 * 1001)),
        (BOOK, order(SELL, MatchingType.NEXT_TICK_BEST_COUNTERPARTY), TickMatch(ReasonCode.FILLED, 400, 400 * 1000)),
        (BOOK, order(SELL, MatchingType.NEXT_TICK_BEST_COUNTERPARTY, moment=20), TickMatch(ReasonCode.NO_DEPTH)),
        (BOOK, order(BUY, MatchingType.COUNTERPARTY_OFFER), TickMatch(ReasonCode.FILLED, 400, 100_100 + 300 * 1005)),
        (
            BOOK,
            order(SELL, MatchingType.COUNTERPARTY_OFFER),
            TickMatch(ReasonCode.PARTIAL_VOLUME, 300, 100_000 + 199_800),
        ),
        (BOOK, order(SELL, MatchingType.COUNTERPARTY_OFFER, moment=20), TickMatch(ReasonCode.NO_DEPTH)),
        (
            BOOK,
            order(BUY, MatchingType.COUNTERPARTY_OFFER, limit=1004),
            TickMatch(ReasonCode.PARTIAL_VOLUME, 100, 100_100),
        ),
        (BOOK, order(BUY, MatchingType.COUNTERPARTY_OFFER, limit=1000), TickMatch(ReasonCode.LIMIT_PRICE)),
        (BOOK, order(BUY, MatchingType.COUNTERPARTY_OFFER, moment=30), TickMatch(ReasonCode.NO_NEXT_BAR)),
        (TRADES, order(BUY, MatchingType.COUNTERPARTY_OFFER), TickMatch(ReasonCode.FILLED, 400, 400 * 1001)),
        (TRADES, order(BUY, MatchingType.VWAP, moment=0), TickMatch(ReasonCode.FILLED, 400, 400 * 1002)),
        (TRADES, order(SELL, MatchingType.VWAP, moment=0), TickMatch(ReasonCode.FILLED, 400, 400 * 1001)),
        (TRADES, order(BUY, MatchingType.VWAP, moment=10, until=20), TickMatch(ReasonCode.NO_NEXT_BAR)),
        (
            TRADES,
            order(BUY, MatchingType.OPEN_AUCTION, moment=10, until=15),
            TickMatch(ReasonCode.FILLED, 400, 400_000),
        ),
        (TRADES, order(BUY, MatchingType.OPEN_AUCTION, moment=11, until=25), TickMatch(ReasonCode.NO_NEXT_BAR)),
        (TRADES, order(BUY, MatchingType.NEXT_TICK_LAST, up=1001), TickMatch(ReasonCode.LIMIT_UP)),
        (TRADES, order(SELL, MatchingType.NEXT_TICK_LAST, down=1001), TickMatch(ReasonCode.LIMIT_DOWN)),
        (BOOK, order(SELL, MatchingType.COUNTERPARTY_OFFER, down=1000), TickMatch(ReasonCode.LIMIT_DOWN)),
        (TRADES, order(BUY, MatchingType.NEXT_TICK_LAST, limit=1000), TickMatch(ReasonCode.LIMIT_PRICE)),
    ],
)
def test_matching_types(market: TickMarket, asked: TickOrder, expected: TickMatch) -> None:
    assert match(market, asked) == expected


@pytest.mark.parametrize(
    ("side", "slippage", "size", "expected"),
    [
        (BUY, Slippage.NONE, 5, 1001),
        (BUY, Slippage.TICK_SIZE, 3, 1004),
        (SELL, Slippage.TICK_SIZE, 3, 998),
        (BUY, Slippage.PRICE_RATIO, RATE // 1000, 1003),
        (SELL, Slippage.PRICE_RATIO, RATE // 1000, 999),
        (BUY, Slippage.LIMIT_PRICE, 0, 1101),
        (SELL, Slippage.LIMIT_PRICE, 0, 901),
        (BUY, Slippage.TICK_SIZE, 500, 1101),
        (SELL, Slippage.PRICE_RATIO, RATE // 2, 901),
    ],
)
def test_slippage_models(side: Side, slippage: Slippage, size: int, expected: int) -> None:
    asked = order(side, MatchingType.NEXT_TICK_LAST, slippage=slippage, slippage_size=size, down=901, up=1101)
    assert match(TRADES, asked).price == expected


def test_bars_are_not_ticks() -> None:
    with pytest.raises(ValueError, match="matched with bars"):
        match(TRADES, order(BUY, MatchingType.NEXT_BAR_OPEN))


def test_vwap_of_a_bar_is_its_amount_by_its_volume() -> None:
    assert tick_kernel.vwap_of_bar(10_050_000, 100, 100, 1) == 1005
    assert tick_kernel.vwap_of_bar(10_050_000, 0, 100, 1) == 0
    assert tick_kernel.rate_of(1005 * 100, 100, 1000) == 5_000_000


def real_book(shared_data: Path) -> TickMarket:
    table = pq.read_table(shared_data / "l2_snapshot_600519_20230201.parquet")
    names = table.column_names

    def side(kind: str, what: str, scale: float) -> np.ndarray:
        levels = [f"{kind}_{what}{level}" for level in range(1, 11)]
        assert set(levels) <= set(names)
        columns = [np.nan_to_num(table[name].to_numpy().astype(np.float64)) for name in levels]
        return np.ascontiguousarray(np.rint(np.array(columns) * scale).astype(np.int64).T)

    return TickMarket(
        moments=table["ts"].to_numpy().astype("datetime64[ms]").astype(np.int64),
        last=np.rint(np.nan_to_num(table["last"].to_numpy()) * 100).astype(np.int64),
        volume=np.diff(table["volume"].to_numpy(), prepend=0),
        bid_prices=side("bid", "px", 100),
        bid_quantities=side("bid", "qty", 1),
        ask_prices=side("ask", "px", 100),
        ask_quantities=side("ask", "qty", 1),
    )


def moment(text: str) -> int:
    return int(np.datetime64(text, "ms").astype(np.int64))


def test_a_real_order_against_the_book_of_600519(shared_data: Path) -> None:
    """Buying 3,000 shares at 11:29:14 takes five levels of the snapshot of 11:29:17."""
    market = real_book(shared_data)
    asked = TickOrder(
        side=BUY, quantity=3_000, moment=moment("2023-02-01T11:29:16"), matching=MatchingType.COUNTERPARTY_OFFER
    )
    found = match(market, asked)
    # 100 at 1837.81, 2,300 at 1838.00, 100 each at 1838.01, 1838.21, 1838.50 and 1838.94, 200 at 1839.00
    amount = 183_781 * 100 + 183_800 * 2300 + (183_801 + 183_821 + 183_850 + 183_894) * 100 + 183_900 * 200
    assert found == TickMatch(ReasonCode.FILLED, 3_000, amount)
    own = match(
        market, TickOrder(side=BUY, quantity=100, moment=asked.moment, matching=MatchingType.NEXT_TICK_BEST_OWN)
    )
    assert own.price == 183_700


def test_the_real_opening_auction_and_vwap_of_600519(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "l2_trades_600519_20230201.parquet").sort_by("biz_index")
    trades = TickMarket(
        moments=np.maximum.accumulate(table["ts"].to_numpy().astype("datetime64[ms]").astype(np.int64)),
        last=np.rint(table["price"].to_numpy() * 100).astype(np.int64),
        volume=table["qty"].to_numpy(),
    )
    opening = TickOrder(
        side=BUY,
        quantity=100,
        moment=moment("2023-02-01T09:15"),
        until=moment("2023-02-01T09:30"),
        matching=MatchingType.OPEN_AUCTION,
    )
    assert match(trades, opening).price == 185_498
    whole = TickOrder(
        side=SELL,
        quantity=100,
        moment=moment("2023-02-01T09:00"),
        until=moment("2023-02-01T16:00"),
        matching=MatchingType.VWAP,
    )
    exact = int((trades.last * trades.volume).sum()) / int(trades.volume.sum())
    assert match(trades, whole).price == int(exact)


def test_next_tick_of_600004(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "ticks_201902.parquet")
    table = table.filter(np.array([s == "600004.SH" for s in table["symbol"].to_pylist()]))
    moments = table["ts"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    market = TickMarket(
        moments=moments, last=np.rint(table["price"].to_numpy() * 100).astype(np.int64), volume=table["qty"].to_numpy()
    )
    place = len(moments) // 3
    asked = TickOrder(side=BUY, quantity=100, moment=int(moments[place]), matching=MatchingType.NEXT_TICK_LAST)
    after = int(np.searchsorted(moments, moments[place], side="right"))
    assert match(market, asked).price == int(market.last[after])
