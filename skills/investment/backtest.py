"""Finished backtests: list, read, compare, report, delete."""

from typing import Annotated

from pydantic import Field

from core.backtest.report import Language, Report
from core.backtest.results import GROUP_LENGTH, NAME_LENGTH, TAG_LENGTH, ResultFilter, ResultPage
from core.backtest.results_compare import ResultComparison
from core.backtest.service import LATEST, MAXIMUM_COMPARED, MAXIMUM_POINTS, ResultDetail, ResultRemoval
from tools.context import Preview, SkillContext
from tools.risk import RiskTier
from tools.skill import skill

ResultId = Annotated[int, Field(ge=1, le=2**53, description="`id` of a run.")]
BY_ID = {"id": "result_id"}


@skill(
    "investment.stock.backtest.list",
    tier=RiskTier.GREEN,
    http="GET /api/profile/backtest-results",
    title="List backtests",
    title_zh="回测列表",
    unwrap="items",
    example={"tag": "momentum"},
    gotchas=("At most 50 runs are listed, the newest; `total` counts all that match.",),
)
async def backtest_list(
    ctx: SkillContext,
    *,
    name: Annotated[str | None, Field(max_length=NAME_LENGTH, description="Exact name of a run.")] = None,
    tag: Annotated[str | None, Field(max_length=TAG_LENGTH, description="Part of a tag, in any case.")] = None,
    program_group: Annotated[str | None, Field(max_length=GROUP_LENGTH, description="Exact program group.")] = None,
    limit: Annotated[int, Field(ge=1, le=LATEST, description="Runs to list at most.")] = LATEST,
) -> ResultPage:
    """List the team's finished backtests, newest first, with their key figures; filters are joined by AND.

    Use it to find the id of a run or to see what was tried. Returns are fractions, `maxDrawdown` is never positive. A
    run with `simulated` true rests on invented prices: say so. Curves are in `investment.stock.backtest.get`.
    """
    asked = ResultFilter(name=name, tag=tag, program_group=program_group)
    return await ctx.services.backtest.list(ctx.uow, ctx.team_id, asked=asked, limit=limit)


@skill(
    "investment.stock.backtest.get",
    tier=RiskTier.GREEN,
    http="GET /api/profile/backtest-results/{result_id}",
    title="One backtest",
    title_zh="回测详情",
    aliases=BY_ID,
    example={"result_id": 1, "points": 250},
    gotchas=("The fields that end in Json are JSON text.", "A null metric has its reason in `undefined`."),
)
async def backtest_get(
    ctx: SkillContext,
    *,
    result_id: ResultId,
    points: Annotated[int, Field(ge=2, le=MAXIMUM_POINTS, description="Rows of curve and trades at most.")] = 2_000,
) -> ResultDetail:
    """One finished backtest in full: parameters, metrics, trades, equity curve, and how its orders ended.

    Use it to explain a run. `orderReasons` counts orders by outcome: many that are not `filled` mean that the figures
    rest on less trading than the strategy wanted. `deflated_sharpe` below 0.95 may be luck.
    """
    return await ctx.services.backtest.get(ctx.uow, ctx.team_id, result_id=result_id, points=points)


@skill(
    "investment.stock.backtest.compare",
    tier=RiskTier.GREEN,
    http="GET /api/profile/backtest-results/compare",
    title="Compare backtests",
    title_zh="回测对比",
    example={"ids": [1, 2]},
    gotchas=("Differences are to the first run; repeat the warnings about periods and data.",),
)
async def backtest_compare(
    ctx: SkillContext,
    *,
    ids: Annotated[list[int], Field(description=f"2 to {MAXIMUM_COMPARED} different ids; the first is the base.")],
) -> ResultComparison:
    """Put finished backtests beside each other, metric by metric, with the parameters that differ.

    Use it for "is the new version better". `best` names a run only where better has a meaning. The one with the best
    figure of many tries is flattered by luck: look at `deflated_sharpe`.
    """
    return await ctx.services.backtest.compare(ctx.uow, ctx.team_id, ids=ids)


@skill(
    "investment.stock.backtest.report.get",
    tier=RiskTier.GREEN,
    http="GET /api/profile/backtest-results/{result_id}/report",
    title="Backtest report",
    title_zh="回测报告",
    aliases=BY_ID,
    example={"result_id": 1, "language": "zh"},
)
async def backtest_report_get(
    ctx: SkillContext,
    *,
    result_id: ResultId,
    language: Annotated[Language, Field(description="en or zh.")] = Language.CHINESE,
) -> Report:
    """One finished backtest as an HTML page that stands alone, for a person to keep or send.

    Use it when somebody wants a report or a chart. Save `html` to a file; do not repeat it in an answer. For figures to
    talk about use `investment.stock.backtest.get`, which is shorter.
    """
    return await ctx.services.backtest.report(ctx.uow, ctx.team_id, result_id=result_id, language=language)


async def preview_backtest_delete(ctx: SkillContext, *, result_id: ResultId) -> Preview:
    """Say which run would be deleted."""
    removal = await ctx.services.backtest.preview_delete(ctx.uow, ctx.team_id, result_id=result_id)
    return Preview(summary=removal.sentence, changes=removal.changes)


@skill(
    "investment.stock.backtest.delete",
    tier=RiskTier.RED,
    http="DELETE /api/profile/backtest-results/{result_id}",
    title="Delete a backtest",
    title_zh="删除回测",
    aliases=BY_ID,
    preview=preview_backtest_delete,
    example={"result_id": 1},
    gotchas=("The run with its curve, trades and orders is gone for good.",),
)
async def backtest_delete(ctx: SkillContext, *, result_id: ResultId) -> ResultRemoval:
    """Delete one finished backtest with its curve, trades and orders, for good.

    Only for a run that the user names. Deleting the bad tries makes the good one look better than it is: say so.
    """
    return await ctx.services.backtest.delete(ctx.uow, ctx.team_id, result_id=result_id)
