"""The rules that hold for each bar of a run, looked up by date once and turned into the kernels' columns."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars
from core.backtest.limits import price_limits
from core.backtest.model import Listing, MarketRules
from core.backtest.problems import ParameterInvalid
from core.market import rules, rules_table
from core.market import rules_costs_table as costs
from core.market.model import Exchange, InstrumentKind
from core.market.rules_model import Charge, Rounding, Rule, Scope, Side, TickTable, Topic
from core.market.trading_calendar import TradingCalendar, TradingCalendars
from core.matching.model import AMOUNT_PLACES, RATE, UNLIMITED, AmountTooLarge, OddLot, RoundingCode

Integers = NDArray[np.int64]
UNIT: Final = 10**AMOUNT_PLACES
USUAL_PART: Final = 0.25
"""The part of a bar's volume that orders may take where market rules hold."""
COMMISSION_MINIMUM: Final = Decimal(5)
ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSettings:
    """What the caller says about costs: basis points, and the part of a bar's volume (None: as the rules say).

    `slippage_steps` are price steps in place of basis points, `UNLIMITED` of them lead to the exchange's limit.
    `usual_part` is the part of the volume where market rules hold and nothing is said. `has_volume`: orders meet a
    volume that is not the bars' own.
    """

    rules: MarketRules | None = None
    commission_bps: float = 0.0
    slippage_bps: float | Decimal = 0.0
    volume_limit: float | None = None
    slippage_steps: int = 0
    usual_part: float = USUAL_PART
    has_volume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FillTerms:
    """The kernels' view of the rules for one instrument.

    `settings`: slippage in billionths of the price, numerators of slipped prices (buy, sell), unit factor and unit
    divisor, volume part, T+1. `regime[i]` picks `charges` and `ticks` of bar i. `down` and `up` are the prices at
    which bar i is locked. `gap_after[i]`: the exchange traded between bar i and the next one.
    """

    settings: Integers
    lots: Integers
    rest_lots: Integers
    charges: tuple[Integers, ...]
    ticks: tuple[Integers, ...]
    regime: Integers = field(repr=False)
    down: Integers = field(repr=False)
    up: Integers = field(repr=False)
    gap_after: NDArray[np.bool_] = field(repr=False)


def terms_for(bars: CheckedBars, costs_asked: CostSettings, listing: Listing | None) -> FillTerms:
    """Make the columns of rules for checked bars. `listing` is needed where market rules hold."""
    slip = part_of(costs_asked.slippage_bps, 10_000, name="slippage_bps")
    if slip >= 1:
        raise ParameterInvalid(name="slippage_bps", reason="slippage of the whole price or more")
    if costs_asked.rules is None or listing is None:
        return _plain_terms(bars, costs_asked, slip)
    firsts, regime = _regimes(bars)
    down, up = price_limits(bars, listing)
    lots = _lots(listing, firsts[0])
    settings = _settings(bars, costs_asked, numerators=(1, 1), denominator=1, slip=_rate(slip, "slippage_bps"))
    settings[0] -= costs_asked.slippage_steps
    settings[-1] = rules.is_t_plus_one(
        listing.exchange, firsts[-1], kind=listing.kind, is_same_day_fund=listing.is_same_day_fund
    )
    return FillTerms(
        settings=settings,
        lots=lots,
        rest_lots=np.array([lots[1], lots[1], OddLot.ANY, UNLIMITED], dtype=np.int64),
        charges=tuple(_charges(listing, day, costs_asked) for day in firsts),
        ticks=tuple(_ticks(listing, day, bars.places) for day in firsts),
        regime=regime,
        down=down,
        up=up,
        gap_after=_gaps(bars, listing.exchange),
    )


def part_of(value: float | Decimal, whole: int, *, name: str) -> Fraction:
    """Read a number of the caller as the decimal it was written as, divided by `whole`."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value < inf:
        raise ParameterInvalid(name=name, reason=f"{value!r} is not a number of zero or more")
    return Fraction(Decimal(str(value))) / whole


def _rate(part: Fraction, name: str) -> int:
    rate = part * RATE
    if rate.denominator != 1:
        raise ParameterInvalid(name=name, reason="more digits than 0.00001 of a basis point")
    return int(rate)


def _plain_terms(bars: CheckedBars, asked: CostSettings, slip: Fraction) -> FillTerms:
    """Commission and slippage alone, as the original: whole shares, every price fills."""
    commission = _rate(part_of(asked.commission_bps, 10_000, name="commission_bps"), "commission_bps")
    row = [commission, 1, 1, RoundingCode.UNIT_HALF_UP, 0, UNLIMITED, 0, 0]
    single = np.array([1, 1, OddLot.ANY, UNLIMITED], dtype=np.int64)
    size = len(bars)
    numerators = (slip.denominator + slip.numerator, slip.denominator - slip.numerator)
    return FillTerms(
        settings=_settings(bars, asked, numerators=numerators, denominator=slip.denominator, slip=0),
        lots=single,
        rest_lots=single,
        charges=(np.array([row], dtype=np.int64),),
        ticks=(np.array([[UNLIMITED, 1]], dtype=np.int64),),
        regime=np.zeros(size, dtype=np.int64),
        down=np.zeros(size, dtype=np.int64),
        up=np.full(size, UNLIMITED, dtype=np.int64),
        gap_after=np.zeros(size, dtype=np.bool_),
    )


def _settings(
    bars: CheckedBars, asked: CostSettings, *, numerators: tuple[int, int], denominator: int, slip: int
) -> Integers:
    """Return slippage, numerators, unit factor and divisor, volume part (0: none), and no T+1."""
    limit = asked.volume_limit
    if limit is None:
        limit = inf if asked.rules is None else asked.usual_part
    has_none = limit == inf or (bars.volume is None and not asked.has_volume)
    part = 0 if has_none else _rate(part_of(limit, 1, name="volume_limit"), "volume_limit")
    if limit != inf and not 0 < limit <= 1:
        raise ParameterInvalid(name="volume_limit", reason="a part of the volume between 0 and 1, or infinity")
    factor, divisor = 10 ** max(0, AMOUNT_PLACES - bars.places), 10 ** max(0, bars.places - AMOUNT_PLACES)
    highest = max(int(column.max()) for column in bars.prices.values())
    if highest * numerators[0] >= UNLIMITED or denominator * divisor >= UNLIMITED:
        raise AmountTooLarge(what="A price with slippage", value=highest)
    return np.array([slip, *numerators, factor, denominator * divisor, part, 0], dtype=np.int64)


def _regimes(bars: CheckedBars) -> tuple[list[date], Integers]:
    """Split the bars where a rule on costs or price steps changes; return a day of each stretch."""
    turns = np.searchsorted(bars.times, _turns().astype(bars.times.dtype), side="left")
    starts = np.unique(np.concatenate(([0], turns[turns < len(bars)])))
    regime = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(bars))))
    return bars.times[starts].astype("datetime64[D]").tolist(), regime


@lru_cache(maxsize=1)
def _turns() -> NDArray[np.datetime64]:
    """Return the days on which a rule on costs or price steps begins, or is over."""
    tables: Iterable[Rule[Any]] = (*costs.STAMP_DUTY, *costs.TRANSFER_FEE, *costs.HK_FEES, *rules_table.TICKS)
    starts = {row.first_date for row in tables if row.first_date}
    starts |= {row.last_date + ONE_DAY for row in tables if row.last_date}
    return np.array(sorted(starts), dtype="datetime64[D]")


@lru_cache(maxsize=1024)
def _charges(listing: Listing, day: date, asked: CostSettings) -> Integers:
    """Return the fees of a day. Handling and regulatory fees are inside a broker's commission."""
    is_fund, is_hk = listing.kind is InstrumentKind.FUND, listing.exchange is Exchange.HKEX
    part_of(asked.commission_bps, 10_000, name="commission_bps")
    bps = Decimal(str(asked.commission_bps))
    minimum = COMMISSION_MINIMUM if bps > 0 and not is_hk else Decimal(0)
    found = [Charge(bps / 10_000, minimum=minimum)]
    tax_scope = (Scope.HK_FUND if is_fund else Scope.HK) if is_hk else Scope.FUND if is_fund else Scope.MAINLAND
    found.append(rules.require_rule(costs.STAMP_DUTY, tax_scope, day, topic=Topic.STAMP_DUTY))
    if is_hk:
        found += _hk_charges(day, is_fund=is_fund)
    else:
        scope = Scope.FUND if is_fund else rules.EXCHANGE_SCOPES[listing.exchange]
        found.append(rules.require_rule(costs.TRANSFER_FEE, scope, day, topic=Topic.TRANSFER_FEE))
    rows = [_charge_row(charge, listing) for charge in found if not charge.inside_commission]
    return np.array(rows, dtype=np.int64)


def _hk_charges(day: date, *, is_fund: bool) -> list[Charge]:
    """Return levies and fees of Hong Kong in force on a day."""
    scopes = {Topic.SETTLEMENT_FEE: Scope.HK_FUND if is_fund else Scope.HK}
    topics = dict.fromkeys(row.topic for row in costs.HK_FEES)
    found = (
        rules.find_rule((row for row in costs.HK_FEES if row.topic is topic), scopes.get(topic, Scope.HK), day)
        for topic in topics
    )
    return [row.value for row in found if row is not None]


def _charge_row(charge: Charge, listing: Listing) -> list[int]:
    rounding = RoundingCode.DOLLAR_UP if charge.rounding is Rounding.UP_TO_DOLLAR else RoundingCode.CENT_HALF_UP
    return [
        _rate(Fraction(charge.rate), "commission_bps"),
        int(Side.BUY in charge.sides),
        int(Side.SELL in charge.sides),
        rounding,
        int(charge.minimum * UNIT),
        UNLIMITED if charge.maximum is None else int(charge.maximum * UNIT),
        int(charge.fixed * UNIT),
        int(listing.par_value * UNIT) if charge.on_par else 0,
    ]


@lru_cache(maxsize=1024)
def _ticks(listing: Listing, day: date, places: int) -> Integers:
    scope = Scope.HK if listing.exchange is Exchange.HKEX else Scope.MAINLAND
    scope = Scope.FUND if scope is Scope.MAINLAND and listing.kind is InstrumentKind.FUND else scope
    table: TickTable = rules.require_rule(rules_table.TICKS, scope, day, topic=Topic.TICK)
    scale = 10**places
    rows = [[UNLIMITED if bound is None else int(bound * scale), int(step * scale)] for bound, step in table.bands]
    return np.array(rows, dtype=np.int64)


def least_places(listing: Listing | None) -> int:
    """Return how many places the price steps of an instrument have."""
    if listing is None:
        return 2
    return 3 if listing.exchange is Exchange.HKEX or listing.kind is InstrumentKind.FUND else 2


@lru_cache(maxsize=1024)
def _lots(listing: Listing, day: date) -> Integers:
    if listing.exchange is Exchange.HKEX:
        size = listing.lot_size or 1
        return np.array([size, size, OddLot.WHOLE, UNLIMITED], dtype=np.int64)
    rule = rules.lot_rule(listing.board, day, kind=listing.kind)
    odd = OddLot.WHOLE if rule.odd_remainder == "whole" else OddLot.POSITION
    return np.array([rule.minimum, rule.step, odd, rule.largest], dtype=np.int64)


@lru_cache(maxsize=1)
def _calendars() -> TradingCalendars:
    return TradingCalendars.load()


@lru_cache(maxsize=2)
def _open_days(exchange_is_hk: bool) -> Integers:
    calendars = _calendars()
    calendar: TradingCalendar = calendars.hongkong if exchange_is_hk else calendars.shanghai
    return np.asarray(calendar.ordinals, dtype=np.int64) - date(1970, 1, 1).toordinal()


def _gaps(bars: CheckedBars, exchange: Exchange) -> NDArray[np.bool_]:
    """Say after which daily bars the exchange traded before the next bar: the stock was suspended.

    The last bar is looked at by nobody. Minutes have no gaps: their next bar fills.
    """
    gaps = np.zeros(len(bars), dtype=np.bool_)
    if bars.is_intraday or len(bars) == 1:
        return gaps
    days = bars.times.astype(np.int64)
    opens = _open_days(exchange is Exchange.HKEX)
    places = np.searchsorted(opens, days)
    is_open = opens[np.minimum(places, len(opens) - 1)] == days
    gaps[:-1] = places[1:] > places[:-1] + is_open[:-1]
    return gaps
