"""Figures as images: a backtest's curve, the holdings."""

from typing import Annotated

from pydantic import Field

from core.backtest.report import Language
from core.performance.images import Picture
from core.portfolio.model import AccountScope
from tools.context import SkillContext
from tools.risk import RiskTier
from tools.skill import skill

NEEDS_EXTRA = "Needs the extra `charts` on the desk; without it the answer says so."


@skill(
    "investment.stock.backtest.chart.get",
    tier=RiskTier.GREEN,
    http="GET /api/profile/backtest-results/{result_id}/chart",
    title="Backtest chart",
    title_zh="回测曲线图",
    aliases={"id": "result_id"},
    example={"result_id": 1},
    gotchas=(NEEDS_EXTRA,),
)
async def backtest_chart_get(
    ctx: SkillContext,
    *,
    result_id: Annotated[int, Field(ge=1, le=2**53, description="`id` of a run.")],
    language: Annotated[Language, Field(description="en or zh.")] = Language.ENGLISH,
) -> Picture:
    """Equity curve, benchmark and drawdown of one finished backtest as a PNG.

    Use it when somebody asks for a chart. Not for reading figures: `investment.stock.backtest.get` has them.
    """
    return await ctx.services.backtest.picture(ctx.uow, ctx.team_id, result_id=result_id, language=language)


@skill(
    "investment.stock.portfolio.chart.get",
    tier=RiskTier.GREEN,
    http="GET /api/profile/portfolio-chart",
    title="Holdings chart",
    title_zh="持仓图",
    example={"account_type": "real"},
    gotchas=(NEEDS_EXTRA,),
)
async def portfolio_chart_get(
    ctx: SkillContext,
    *,
    account_id: Annotated[str | None, Field(description="One account; all when left out.")] = None,
    account_type: Annotated[AccountScope, Field(description="real, paper or all accounts.")] = AccountScope.REAL,
) -> Picture:
    """The largest holdings by market value as a PNG, with weight and unrealised result.

    Use it when somebody asks to see the portfolio. Not for reading figures: `investment.stock.portfolio.list` has them.
    """
    return await ctx.services.portfolio.picture(ctx.uow, ctx.team_id, account_id=account_id, account_type=account_type)
