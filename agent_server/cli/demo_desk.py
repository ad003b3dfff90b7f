"""What a demonstration desk holds: a simulated market, one person, one token, some trades and advice, a backtest."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agent_server.cli.context import local_caller, new_trace
from agent_server.cli.operator_note import note
from agent_server.cli.token_command import mint

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.access.model import User

USERNAME: Final = "demo"
TOKEN_NAME: Final = "demo-agent"
PRESET: Final = "desk"
PASSWORD_CHARACTERS: Final = 16
SHARES: Final = (1000, 500, 2000, 300)
PRICES: Final = """
    WITH ends AS (
        SELECT min(trade_date) AS bought, max(trade_date) AS sold
        FROM (SELECT DISTINCT trade_date FROM daily ORDER BY trade_date DESC LIMIT 40)
    ), held AS (
        SELECT symbol,
            max(close) FILTER (trade_date = bought) AS cost,
            max(low) FILTER (trade_date = sold) AS price,
            any_value(bought) AS bought, any_value(sold) AS sold
        FROM daily, ends
        WHERE trade_date IN (bought, sold) AND volume > 0 AND (symbol LIKE '60%.SH' OR symbol LIKE '00%.SZ')
        GROUP BY symbol HAVING count(*) = 2
    )
    SELECT symbol, cost, price, bought, sold FROM held ORDER BY hash(symbol) LIMIT 4
"""
"""Four stocks that traded forty trading days ago and on the newest day, with prices of both."""


@dataclass(slots=True)
class DemoDesk:
    """What was made. The secrets are empty when the desk was there already: they are shown once."""

    username: str = USERNAME
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    market: str = ""
    trades: int = 0
    backtests: int = 0


async def make(desk: "Desk") -> DemoDesk:
    """Make what is missing; what is there stays as it is."""
    made = DemoDesk(market=await _market(desk))
    user = await _existing(desk)
    if user is None:
        user, made.password = await _person(desk)
        minted = await mint(desk, TOKEN_NAME, user=USERNAME, presets=[PRESET], scopes=[], days=None)
        made.token = minted.secret
    if not await _run(desk, user, "investment.stock.trading.list"):
        made.trades = await _history(desk, user)
    if not await _run(desk, user, "investment.stock.backtest.run.list"):
        made.backtests = await _backtest(desk, user)
    return made


async def _market(desk: "Desk") -> str:
    """Put the simulated market in place unless the desk has prices of any kind."""
    services = desk.services
    if services.market_store.manifest().datasets:
        return "simulated" if services.market.is_simulated else "imported"
    from core.market.demo import install  # noqa: PLC0415 - numpy and the drawing of prices

    await asyncio.to_thread(install, services.market_store, imported_at=services.clock.now())
    return "simulated"


async def _existing(desk: "Desk") -> "User | None":
    async with desk.unit_of_work(read_only=True) as uow:
        users = await desk.services.access.users(uow, None)
    return next((user for user in users if user.username == USERNAME), None)


async def _person(desk: "Desk") -> "tuple[User, str]":
    from core.ids import new_secret  # noqa: PLC0415 - keeps --help fast

    password = new_secret(desk.services.ids)[:PASSWORD_CHARACTERS]
    async with desk.unit_of_work() as uow:
        user = await desk.services.access.register_user(uow, username=USERNAME, password=password, email="")
        await note(desk, uow, "user.added", team_id=user.team_id, username=USERNAME)
        await uow.commit()
    return user, password


async def _history(desk: "Desk", user: "User") -> int:
    """Record purchases, one sale and advice; return the number of trades."""
    rows = (await asyncio.to_thread(desk.services.market_store.query, PRICES)).to_pylist()
    trades = list(_trades(rows))
    for place, trade in enumerate(trades):
        await _run(desk, user, "investment.stock.trading.create", **trade, external_id=f"demo-{place}")
    advice = [{"symbol": row["symbol"], "action": "HOLD", "reduce1": str(row["price"])} for row in rows[:2]]
    if advice:
        await _run(desk, user, "investment.stock.recommendation.write", items=advice)
    return len(trades)


def _trades(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Buy each of them; sell half of the first."""
    for row, shares in zip(rows, SHARES, strict=False):
        yield _trade(row["symbol"], "BUY", shares, price=row["cost"], day=row["bought"])
    for row, shares in list(zip(rows, SHARES, strict=False))[:1]:
        yield _trade(row["symbol"], "SELL", shares // 2, price=row["price"], day=row["sold"])


async def _backtest(desk: "Desk", user: "User") -> int:
    """Run a backtest of the first share that was bought, to its end; return how many there are then."""
    from core.durable.runner import Runner  # noqa: PLC0415 - keeps --help fast

    trades = await _run(desk, user, "investment.stock.trading.list")
    if not trades:
        return 0
    wish = {"strategy": "dual_moving_average", "parameters": {"fast": 10, "slow": 30}, "commission_bps": 3}
    named = {"symbols": [trades[-1]["symbol"]], "name": "moving averages 10/30", "tags": ["demo"]}
    run = await _run(desk, user, "investment.stock.backtest.run", **wish, **named)
    services = desk.services
    worker = Runner(
        services.database,
        jobs=services.jobs,
        clock=services.clock,
        ids=services.ids,
        children=services.children,
        owner="demo",
    )
    await worker.execute(run["runId"], 1)
    # where a server runs beside, it may have been first
    await _run(desk, user, "investment.stock.backtest.run.get", run_id=run["runId"], wait_seconds=20)
    return len(await _run(desk, user, "investment.stock.backtest.list"))


def _trade(symbol: str, side: str, shares: int, *, price: object, day: object) -> dict[str, Any]:
    return {
        "stock_num": symbol,
        "market": symbol[-2:],
        "trade_type": side,
        "qty": shares,
        "price": f"{price:.2f}",
        "trade_date": str(day)[:10],
        "estimate_fees": True,
        "note": "demo",
    }


async def _run(desk: "Desk", user: "User", skill_id: str, **params: Any) -> Any:
    """Run a skill as the demonstration's person; return its data."""
    from tools.context import SkillCall, Surface  # noqa: PLC0415 - keeps --help fast

    call = SkillCall(
        skill_id=skill_id,
        params=params,
        caller=local_caller(user),
        surface=Surface.CLI,
        trace_id=new_trace(desk),
    )
    return (await desk.dispatcher.run(call)).data
