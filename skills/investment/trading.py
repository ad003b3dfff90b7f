"""Trades: record, list, take back, import."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from core.market.model import Exchange
from core.portfolio.model import (
    DEFAULT_ACCOUNT,
    AccountScope,
    AccountType,
    AssetClass,
    LedgerLine,
    Removal,
    TradePage,
    TradeType,
)
from core.portfolio.requests import NewTrade, TradeQuery, require_stock, statement_file
from core.portfolio.statements.model import StatementImport
from tools.context import Preview, SkillContext
from tools.risk import RiskTier
from tools.skill import skill

AssetClassOf = Annotated[AssetClass, Field(description="Kind of asset; only `stock` exists so far.")]
Account = Annotated[str, Field(min_length=1, max_length=64, description="Name of the account in the team.")]
RecordId = Annotated[int, Field(ge=1, description="`recordId` of a trade.")]
Kind = Annotated[AccountType, Field(description="real money or paper.")]
Note = Annotated[str, Field(max_length=500, description="Why; kept with the fact.")]


@skill(
    "investment.stock.trading.list",
    tier=RiskTier.GREEN,
    http="GET /api/trading-records",
    title="List trades",
    title_zh="交易记录",
    asset_class="stock",
    unwrap="items",
    example={"asset_class": "stock", "stock_num": "600050", "trade_type": "BUY", "page": 1, "size": 20},
)
async def trading_list(  # noqa: PLR0913 - the signature is the contract
    ctx: SkillContext,
    *,
    asset_class: AssetClassOf = AssetClass.STOCK,
    account_id: Annotated[str | None, Field(description="One account; all when left out.")] = None,
    account_type: Annotated[AccountScope, Field(description="real, paper or all accounts.")] = AccountScope.ALL,
    market: Annotated[Exchange | None, Field(description="SH, SZ, BJ or HK.")] = None,
    stock_num: Annotated[str | None, Field(description="One instrument, bare or full code.")] = None,
    trade_type: Annotated[TradeType | None, Field(description="BUY or SELL.")] = None,
    page: Annotated[int, Field(ge=1, description="Page, from 1.")] = 1,
    size: Annotated[int, Field(ge=1, le=1000, description="Trades per page, at most 1,000.")] = 50,
) -> TradePage:
    """Recorded purchases and sales, newest first, paged; `total` says how many there are.

    Use it for "what did I buy and when". For what is held now use `investment.stock.portfolio.list`.
    """
    query = TradeQuery(
        account_id=account_id,
        account_type=account_type,
        code=stock_num,
        market=market,
        trade_type=trade_type,
        page=page,
        size=size,
    )
    return await ctx.services.portfolio.list_trades(ctx.uow, ctx.team_id, query=require_stock(asset_class, query))


@skill(
    "investment.stock.trading.create",
    tier=RiskTier.YELLOW,
    http="POST /api/trading-records",
    title="Record a trade",
    title_zh="录入交易",
    asset_class="stock",
    example={
        "asset_class": "stock",
        "stock_num": "600050",
        "market": "SH",
        "trade_type": "BUY",
        "qty": 1000,
        "price": "5.20",
        "trade_date": "2026-11-19",
        "fees": "5.05",
    },
)
async def trading_create(  # noqa: PLR0913 - the signature is the contract
    ctx: SkillContext,
    *,
    stock_num: Annotated[str, Field(description="Code as text with its zeros, bare or full.")],
    market: Annotated[Exchange, Field(description="SH, SZ, BJ or HK.")],
    trade_type: Annotated[TradeType, Field(description="BUY or SELL.")],
    qty: Annotated[int, Field(description="Shares.")],
    price: Annotated[Decimal, Field(description="Price per share as dealt.")],
    trade_date: Annotated[date, Field(description="Day of the trade.")],
    asset_class: AssetClassOf = AssetClass.STOCK,
    fees: Annotated[Decimal | None, Field(description="Commission, transfer and other fees, in money.")] = None,
    tax: Annotated[Decimal | None, Field(description="Stamp duty, in money.")] = None,
    estimate_fees: Annotated[bool, Field(description="Compute fees and tax by the rules of the day.")] = False,
    fx_rate: Annotated[Decimal | None, Field(description="CNY for one unit of a foreign currency.")] = None,
    account_id: Account = DEFAULT_ACCOUNT,
    account_type: Kind = AccountType.REAL,
    external_id: Annotated[str | None, Field(max_length=64, description="The broker's number; unique.")] = None,
    note: Note = "",
) -> LedgerLine:
    """Record one purchase or sale that has happened; the position follows by itself.

    Use it when the user says what was bought or sold. It places no order. Refused: selling more than held, a day in
    the future or without trading, selling an A share bought the same day. Ask for the fees; without them they count as
    0 and the answer says so.
    """
    trade = NewTrade(
        code=stock_num,
        market=market,
        trade_type=trade_type,
        trade_date=trade_date,
        quantity=qty,
        price=price,
        fees=fees,
        tax=tax,
        fx_rate=fx_rate,
        note=note,
        external_id=external_id,
        account_id=account_id,
        account_type=account_type,
        estimate_fees=estimate_fees,
    )
    return await ctx.services.portfolio.create_trade(ctx.uow, ctx.team_id, trade=require_stock(asset_class, trade))


async def preview_trading_delete(
    ctx: SkillContext,
    *,
    record_id: RecordId,
    asset_class: AssetClassOf = AssetClass.STOCK,
    note: Note = "",  # noqa: ARG001 - a preview has the body's signature
) -> Preview:
    """Say how the position would change."""
    record = require_stock(asset_class, record_id)
    removal = await ctx.services.portfolio.preview_delete_trade(ctx.uow, ctx.team_id, record_id=record)
    return Preview(summary=removal.summary, changes=removal.changes)


@skill(
    "investment.stock.trading.delete",
    tier=RiskTier.RED,
    http="DELETE /api/trading-records/{record_id}",
    title="Delete a trade",
    title_zh="删除交易记录",
    asset_class="stock",
    preview=preview_trading_delete,
    example={"record_id": 1},
    gotchas=("A trade that later records depend on is refused; the message names the first of them.",),
)
async def trading_delete(
    ctx: SkillContext, *, record_id: RecordId, asset_class: AssetClassOf = AssetClass.STOCK, note: Note = ""
) -> Removal:
    """Take back one trade that was recorded by mistake, by appending its reversal.

    Use it for the last wrong record, when the user asks for it. To correct an older one, delete the later ones that
    depend on it first.
    """
    record = require_stock(asset_class, record_id)
    return await ctx.services.portfolio.delete_trade(ctx.uow, ctx.team_id, record_id=record, note=note)


@skill(
    "investment.stock.trading.import",
    tier=RiskTier.YELLOW,
    http="POST /api/trading-records/import",
    title="Import a broker statement",
    title_zh="导入对账单",
    asset_class="stock",
    example={
        "file_name": "statement.csv",
        "encoding": "text",
        "content": (
            "成交日期,证券代码,证券名称,买卖标志,成交价格,成交数量,成交金额,发生金额,佣金,印花税,过户费,其他费,成交编号\n"
            "20261118,600050,,买入,5.20,1000,5200,-5205.05,5,0,0.05,0,1\n"
        ),
        "dry_run": True,
    },
    gotchas=("Run it with dryRun first and show what would be skipped or refused.",),
)
async def trading_import(  # noqa: PLR0913 - the signature is the contract
    ctx: SkillContext,
    *,
    file_name: Annotated[str, Field(min_length=1, max_length=200, description="Name of the file, for messages.")],
    content: Annotated[str, Field(min_length=1, max_length=90_000_000, description="The file, see `encoding`.")],
    encoding: Annotated[
        Literal["base64", "text"], Field(description="base64 of the file's bytes, or its text as it is.")
    ] = "base64",
    asset_class: AssetClassOf = AssetClass.STOCK,
    account_id: Account = DEFAULT_ACCOUNT,
    account_type: Kind = AccountType.REAL,
    opening_cash: Annotated[Decimal | None, Field(description="Cash before the first row, if not in the file.")] = None,
    dry_run: Annotated[bool, Field(description="Only say what would happen.")] = False,
) -> StatementImport:
    """Read a broker's statement (CSV, XLS, XLSX; UTF-8 or GBK) into an account: all rows, or nothing if one is refused.

    Use it for a file of the broker; for single trades use `investment.stock.trading.create`, for market data the
    operator's `dingpan import`. Importing a file twice changes nothing. Layouts without dividend rows get them from
    the market's events, marked as derived. Check `written`, `refused` and `warnings` in the answer.
    """
    file = statement_file(
        file_name,
        content,
        encoding=encoding,
        account_id=account_id,
        account_type=account_type,
        opening_cash=opening_cash,
    )
    file = require_stock(asset_class, file)
    return await ctx.services.portfolio.import_statement(ctx.uow, ctx.team_id, file=file, dry_run=dry_run)
