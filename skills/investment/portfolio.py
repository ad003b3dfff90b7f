"""Holdings and profit and loss."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from core.market.model import Exchange
from core.portfolio.model import (
    DEFAULT_ACCOUNT,
    AccountScope,
    AccountType,
    AssetClass,
    Explanation,
    Holding,
    HoldingPage,
    PnlReport,
    Removal,
)
from core.portfolio.requests import HoldingQuery, NewPosition, require_stock
from tools.context import Preview, SkillContext
from tools.risk import RiskTier
from tools.skill import skill

AssetClassOf = Annotated[AssetClass, Field(description="Kind of asset; only `stock` exists so far.")]
Code = Annotated[str, Field(description="Code as text with its zeros, bare or full: 600519, 000001.SZ, 00700.HK.")]
Market = Annotated[Exchange, Field(description="SH, SZ, BJ or HK.")]
Account = Annotated[str, Field(min_length=1, max_length=64, description="Name of the account in the team.")]
PositionId = Annotated[int, Field(ge=1, description="`positionId` of a holding.")]
Scope = Annotated[AccountScope, Field(description="real, paper or all accounts.")]
Kind = Annotated[AccountType, Field(description="real money or paper.")]
Note = Annotated[str, Field(max_length=500, description="Why; kept with the facts.")]
ALIASES = {"accountType": "account_type", "stockNum": "stock_num"}


@skill(
    "investment.stock.portfolio.list",
    tier=RiskTier.GREEN,
    http="GET /api/profile/portfolio-positions",
    title="List holdings",
    title_zh="持仓列表",
    asset_class="stock",
    unwrap="items",
    example={"asset_class": "stock", "limit": 20},
)
async def portfolio_list(  # noqa: PLR0913 - the signature is the contract
    ctx: SkillContext,
    *,
    asset_class: AssetClassOf = AssetClass.STOCK,
    account_id: Annotated[str | None, Field(description="One account; all when left out.")] = None,
    account_type: Scope = AccountScope.REAL,
    stock_num: Annotated[str | None, Field(description="One instrument, bare or full code.")] = None,
    market: Annotated[Exchange | None, Field(description="SH, SZ, BJ or HK.")] = None,
    q: Annotated[str, Field(max_length=40, description="Part of a code or name.")] = "",
    limit: Annotated[int, Field(ge=1, le=1000, description="Most holdings to return.")] = 100,
    offset: Annotated[int, Field(ge=0, description="Holdings to leave out first.")] = 0,
) -> HoldingPage:
    """Open stock positions with cost, last price, market value, weight, P/L and the latest recommendation.

    Use it for "what do I hold" and "how much can I sell". Sums are in `investment.stock.portfolio.pnl.get`; single
    trades in `investment.stock.trading.list`. Quote the date in `meta`; repeat its warnings.
    """
    query = HoldingQuery(
        account_id=account_id,
        account_type=account_type,
        code=stock_num,
        market=market,
        text=q,
        limit=limit,
        offset=offset,
    )
    return await ctx.services.portfolio.list_holdings(ctx.uow, ctx.team_id, query=require_stock(asset_class, query))


@skill(
    "investment.stock.portfolio.create",
    tier=RiskTier.YELLOW,
    http="POST /api/profile/portfolio-positions",
    title="Enter a holding",
    title_zh="新增持仓",
    asset_class="stock",
    example={"asset_class": "stock", "stock_num": "600050", "market": "SH", "qty": 1000, "cost": "5.20"},
)
async def portfolio_create(  # noqa: PLR0913 - the signature is the contract
    ctx: SkillContext,
    *,
    stock_num: Code,
    market: Market,
    qty: Annotated[int, Field(description="Shares held.")],
    cost: Annotated[Decimal, Field(description="Cost price per share, fees included.")],
    asset_class: AssetClassOf = AssetClass.STOCK,
    opened_on: Annotated[date | None, Field(description="Since when; today when left out.")] = None,
    account_id: Account = DEFAULT_ACCOUNT,
    account_type: Kind = AccountType.REAL,
    fx_rate: Annotated[Decimal | None, Field(description="CNY for one unit of a foreign currency.")] = None,
    note: Note = "",
) -> Holding:
    """Enter a position that existed before it was tracked here: quantity and cost price.

    Use it once per stock when the user begins to track holdings. Not for a purchase made today: record that with
    `investment.stock.trading.create`, which updates the position by itself. Refused when the account holds the stock
    already.
    """
    position = NewPosition(
        code=stock_num,
        market=market,
        quantity=qty,
        cost=cost,
        opened_on=opened_on,
        fx_rate=fx_rate,
        note=note,
        account_id=account_id,
        account_type=account_type,
    )
    position = require_stock(asset_class, position)
    return await ctx.services.portfolio.create_opening(ctx.uow, ctx.team_id, position=position)


@skill(
    "investment.stock.portfolio.update",
    tier=RiskTier.YELLOW,
    http="PUT /api/profile/portfolio-positions/{position_id}",
    title="Correct a holding",
    title_zh="修改持仓",
    asset_class="stock",
    example={"position_id": 1, "qty": 2000, "cost": "5.10"},
)
async def portfolio_update(
    ctx: SkillContext,
    *,
    position_id: PositionId,
    qty: Annotated[int | None, Field(description="Shares really held; unchanged when left out.")] = None,
    cost: Annotated[Decimal | None, Field(description="Cost price per share; unchanged when left out.")] = None,
    asset_class: AssetClassOf = AssetClass.STOCK,
    note: Note = "",
) -> Holding:
    """Correct quantity or cost price of a position, by appending correcting facts; history stays.

    Use it when the user says that a figure is wrong. Not for purchases and sales: those are trades. A wrong trade is
    better deleted and recorded again.
    """
    position = require_stock(asset_class, position_id)
    return await ctx.services.portfolio.update_position(
        ctx.uow, ctx.team_id, position_id=position, quantity=qty, cost=cost, note=note
    )


async def preview_portfolio_delete(
    ctx: SkillContext,
    *,
    position_id: PositionId,
    asset_class: AssetClassOf = AssetClass.STOCK,
    note: Note = "",  # noqa: ARG001 - a preview has the body's signature
) -> Preview:
    """Say which facts of the position would be taken back."""
    position = require_stock(asset_class, position_id)
    removal = await ctx.services.portfolio.preview_delete_position(ctx.uow, ctx.team_id, position_id=position)
    return Preview(summary=removal.summary, changes=removal.changes)


@skill(
    "investment.stock.portfolio.delete",
    tier=RiskTier.RED,
    http="DELETE /api/profile/portfolio-positions/{position_id}",
    title="Delete a holding",
    title_zh="删除持仓",
    asset_class="stock",
    preview=preview_portfolio_delete,
    example={"position_id": 1},
    gotchas=("Takes back every trade and event of the position in that account, not only what is still held.",),
)
async def portfolio_delete(
    ctx: SkillContext, *, position_id: PositionId, asset_class: AssetClassOf = AssetClass.STOCK, note: Note = ""
) -> Removal:
    """Remove a position with its whole history from the figures, by reversing every fact of it.

    Use it only for positions entered by mistake, when the user asks for it. A position that was sold is closed by
    recording the sale.
    """
    position = require_stock(asset_class, position_id)
    return await ctx.services.portfolio.delete_position(ctx.uow, ctx.team_id, position_id=position, note=note)


@skill(
    "investment.stock.portfolio.pnl.get",
    tier=RiskTier.GREEN,
    http="GET /api/profile/pnl",
    title="Profit and loss",
    title_zh="盈亏",
    example={"as_of": "2026-11-19"},
)
async def pnl_get(
    ctx: SkillContext,
    *,
    as_of: Annotated[date | None, Field(description="Valuation day; today when left out.")] = None,
    account_id: Annotated[str | None, Field(description="One account; all when left out.")] = None,
    account_type: Scope = AccountScope.REAL,
    fx_rates: Annotated[
        dict[str, Decimal] | None, Field(description='CNY for one unit of a currency, such as {"HKD": "0.92"}.')
    ] = None,
) -> PnlReport:
    """Profit and loss of the team's stocks: today's, unrealised, realised, income, fees; per holding and summed.

    Use it for "how is my portfolio doing" and "what did I make today". Where a figure comes from is told by
    `investment.stock.portfolio.explain`. Quote `asOf` and repeat the warnings in `meta`.
    """
    return await ctx.services.portfolio.pnl(
        ctx.uow, ctx.team_id, as_of=as_of, account_id=account_id, account_type=account_type, fx_rates=fx_rates
    )


@skill(
    "investment.stock.portfolio.explain",
    tier=RiskTier.GREEN,
    http="GET /api/profile/portfolio-positions/{position_id}/explain",
    title="Explain a holding",
    title_zh="持仓明细说明",
    example={"position_id": 1},
)
async def portfolio_explain(ctx: SkillContext, *, position_id: PositionId) -> Explanation:
    """The facts, open lots and matched lots behind a holding's figures, and the formula of each figure.

    Use it when somebody asks why a cost or a result is what it is. For the figures alone use
    `investment.stock.portfolio.list`.
    """
    return await ctx.services.portfolio.explain(ctx.uow, ctx.team_id, position_id=position_id)
