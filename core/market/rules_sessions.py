"""The parts of a trading day by exchange and date: auctions, continuous trading, after-hours trading."""

from dataclasses import dataclass
from datetime import date

from core.market import rules_sessions_table as table
from core.market.model import Board, Exchange, InstrumentKind
from core.market.rules import BOARD_SCOPES, EXCHANGE_SCOPES, find_rule, require_rule
from core.market.rules_model import Auction, RuleNotKnown, Scope, Session, Topic


@dataclass(frozen=True, slots=True)
class TradingSessions:
    """The parts of a day, in China's time; None where there is none.

    `closed_early`: the index circuit breaker ended that day before its time.
    """

    opening_auction: Auction
    continuous: tuple[Session, ...]
    closing_auction: Auction | None
    after_hours: Session | None
    closed_early: bool


def trading_sessions(
    exchange: Exchange, day: date, *, board: Board | None = Board.MAIN, kind: InstrumentKind = InstrumentKind.STOCK
) -> TradingSessions:
    """Return the sessions of A shares or funds of a mainland exchange. Raises `RuleNotKnown` for other exchanges.

    `day` is taken for a trading day. The board counts for shares of Shanghai and Shenzhen only.
    """
    if exchange not in EXCHANGE_SCOPES:
        raise RuleNotKnown(topic=Topic.CONTINUOUS.value, scope=exchange.value, day=day)
    is_fund = kind is InstrumentKind.FUND
    closing_scope = Scope.SSE_FUND if is_fund and exchange is Exchange.SSE else EXCHANGE_SCOPES[exchange]
    closing = find_rule(table.CLOSING_AUCTION, closing_scope, day)
    after_hours = find_rule(table.AFTER_HOURS, _after_hours_scope(exchange, board, is_fund=is_fund), day)
    halves = require_rule(table.CONTINUOUS, Scope.MAINLAND, day, topic=Topic.CONTINUOUS)
    if closing:
        halves = (*halves[:-1], Session(halves[-1].start, closing.value.start))
    return TradingSessions(
        opening_auction=require_rule(table.OPENING_AUCTION, Scope.MAINLAND, day, topic=Topic.OPENING_AUCTION),
        continuous=halves,
        closing_auction=closing.value if closing else None,
        after_hours=after_hours.value if after_hours else None,
        closed_early=find_rule(table.CIRCUIT_BREAKER, Scope.MAINLAND, day) is not None,
    )


def _after_hours_scope(exchange: Exchange, board: Board | None, *, is_fund: bool) -> Scope:
    if exchange is Exchange.BSE:
        return Scope.BSE
    return Scope.FUND if is_fund else BOARD_SCOPES.get(board or Board.MAIN, Scope.MAIN)
