"""Running backtests: queue one, see how it stands, stop it; which strategies there are."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from core.backtest.lookahead_service import LookAheadReport
from core.backtest.model import DividendTax
from core.backtest.named_strategies import StrategyList
from core.backtest.results import GROUP_LENGTH, MAXIMUM_TAGS, NAME_LENGTH, TAG_LENGTH
from core.backtest.run_service import KINDS, MAXIMUM_WAIT, RunTicket
from core.backtest.strategy_runs import MAXIMUM_SYMBOLS, RulesChoice, StrategyRun, Terms
from core.backtest.sweep_runs import MAXIMUM_RUNS, MAXIMUM_TRIALS, SweepPage, SweepRun
from core.backtest.sweep_runs import MAXIMUM_SYMBOLS as SWEEP_SYMBOLS
from core.backtest.sweep_service import LARGEST_PAGE
from core.durable.model import RunDetail, RunPage, RunState
from core.durable.runs import LATEST
from core.matching.model import FillMode, MatchingType
from tools.context import SkillContext
from tools.risk import RiskTier
from tools.skill import skill

RunId = Annotated[str, Field(min_length=1, max_length=40, description="`runId` of a run.")]
Strategy = Annotated[
    str,
    Field(min_length=1, max_length=64, description="Name from investment.stock.backtest.strategy.list."),
]
Parameters = Annotated[
    dict[str, Decimal | str] | None,
    Field(description='Parameters of the strategy, such as {"fast": 10, "slow": 30}; its defaults for the rest.'),
]
First = Annotated[date | None, Field(description="First day; the first stored one when left out.")]
Last = Annotated[date | None, Field(description="Last day, included; the newest when left out.")]
A_RUN = "run_7jxggzbwywx275tqctynmwgq2f"


@skill(
    "investment.stock.backtest.strategy.list",
    tier=RiskTier.GREEN,
    http="GET /v1/backtests/strategies",
    title="List strategies",
    title_zh="内置策略列表",
    unwrap="strategies",
    example={},
)
async def strategy_names(ctx: SkillContext) -> StrategyList:
    """The strategies that a backtest can name, each with what it does and its parameters with their defaults.

    Use it before `investment.stock.backtest.run`. `replay_trades` repeats the trades recorded in the team's ledger. Not
    for running code: there is no way to send a strategy as text.
    """
    return await ctx.services.backtest_runs.strategies()


@skill(
    "investment.stock.backtest.run",
    tier=RiskTier.YELLOW,
    http="POST /v1/backtests",
    title="Run a backtest",
    title_zh="运行回测",
    status=202,
    example={
        "strategy": "dual_moving_average",
        "symbols": ["600050.SH"],
        "parameters": {"fast": 10, "slow": 30},
        "commission_bps": 3,
        "name": "ma 10/30",
    },
    gotchas=(
        "It answers at once with a runId; the result comes later, under the resultId of the finished run.",
        "Repeat it after a lost answer only with the same idempotencyKey, or it runs twice.",
    ),
)
async def backtest_run(  # noqa: PLR0913 - the signature is the contract
    ctx: SkillContext,
    *,
    strategy: Strategy,
    symbols: Annotated[
        list[str],
        Field(min_length=1, max_length=MAXIMUM_SYMBOLS, description="Codes; several share one pool of cash."),
    ],
    parameters: Parameters = None,
    start: First = None,
    end: Last = None,
    initial_cash: Annotated[float, Field(gt=0, le=1e12, description="Cash at the start.")] = 1_000_000.0,
    commission_bps: Annotated[float, Field(ge=0, le=1000, description="Commission, hundredths of a percent.")] = 0.0,
    slippage_bps: Annotated[float, Field(ge=0, le=1000, description="Slippage, hundredths of a percent.")] = 0.0,
    fill: Annotated[FillMode, Field(description="next_open, or this_close.")] = FillMode.NEXT_OPEN,
    matching: Annotated[
        MatchingType | None,
        Field(description="Price that orders meet, in place of fill; ticks and books only where the desk has them."),
    ] = None,
    slippage: Annotated[
        str | None,
        Field(max_length=32, description="In place of slippage_bps: price_ratio:0.001, tick_size:2 or limit_price."),
    ] = None,
    rules: Annotated[RulesChoice, Field(description="Market rules; auto: those of the exchange.")] = RulesChoice.AUTO,
    volume_limit: Annotated[
        float | None, Field(gt=0, le=1, description="Part of a day's volume that orders may take; 0.25 under rules.")
    ] = None,
    dividend_tax: Annotated[DividendTax | None, Field(description="cn_individual, or none.")] = None,
    benchmark: Annotated[str | None, Field(max_length=32, description="An index, such as 000300.SH.")] = None,
    name: Annotated[str, Field(max_length=NAME_LENGTH, description="Name of the result.")] = "",
    tags: Annotated[
        list[Annotated[str, Field(max_length=TAG_LENGTH)]] | None,
        Field(max_length=MAXIMUM_TAGS, description="Tags of the result."),
    ] = None,
    program_group: Annotated[str | None, Field(max_length=GROUP_LENGTH, description="Group of the result.")] = None,
) -> RunTicket:
    """Backtest a named strategy over daily bars of the desk's market; queues the run and answers with its id.

    Use it for "how would X have done". Then call `nextAction` until the run has ended, and read the result with
    `investment.stock.backtest.get`. Not for many parameters at once: that is `investment.stock.backtest.sweep.run`. A
    good past is no promise: say which days, rules and costs the figures rest on.
    """
    terms = Terms(
        start=start,
        end=end,
        initial_cash=initial_cash,
        commission_bps=commission_bps,
        slippage_bps=slippage_bps,
        fill=fill,
        rules=rules,
        volume_limit=volume_limit,
        dividend_tax=dividend_tax,
        benchmark=benchmark,
        matching=matching,
        slippage=slippage,
    )
    wish = StrategyRun(
        strategy=strategy,
        symbols=tuple(symbols),
        parameters=parameters or {},
        terms=terms,
        name=name,
        tags=tuple(tags or ()),
        program_group=program_group,
    )
    return await ctx.services.backtest_runs.queue(ctx.uow, ctx.team_id, wish=wish, created_by=ctx.caller.username or "")


@skill(
    "investment.stock.backtest.sweep.run",
    tier=RiskTier.YELLOW,
    http="POST /v1/backtests/sweeps",
    title="Sweep parameters",
    title_zh="参数扫描",
    status=202,
    example={
        "strategy": "dual_moving_average",
        "symbol": "600050.SH",
        "grid": {"fast": [5, 10, 20], "slow": [30, 60]},
        "objective": "sharpe",
    },
    gotchas=(
        "The best of many trials is flattered by luck: repeat the verdict with it.",
        f"Trials times (symbols and walk-forward windows) are at most {MAXIMUM_RUNS:,} runs: thin the grid for more.",
    ),
)
async def backtest_sweep_run(  # noqa: PLR0913 - the signature is the contract
    ctx: SkillContext,
    *,
    strategy: Strategy,
    grid: Annotated[
        dict[str, list[Decimal | str]],
        Field(description='Values to try for each parameter, such as {"fast": [5, 10], "slow": [30, 60]}.'),
    ],
    symbol: Annotated[
        str | None, Field(min_length=1, max_length=32, description="Code of one instrument; or give symbols.")
    ] = None,
    symbols: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=32)]] | None,
        Field(min_length=1, max_length=SWEEP_SYMBOLS, description="Several, each by itself with the whole cash."),
    ] = None,
    start: First = None,
    end: Last = None,
    objective: Annotated[str, Field(max_length=32, description="Figure that decides which is best.")] = "sharpe",
    trials: Annotated[
        int | None, Field(ge=1, le=MAXIMUM_TRIALS, description="Draw so many at random; all when left out.")
    ] = None,
    seed: Annotated[int, Field(ge=0, description="Seed of the draw.")] = 0,
    train: Annotated[
        int | None, Field(ge=2, le=100_000, description="Walk forward too: choose on so many bars; needs test.")
    ] = None,
    test: Annotated[
        int | None, Field(ge=1, le=100_000, description="Trade the next so many bars with the best, and move on.")
    ] = None,
    anchored: Annotated[bool, Field(description="Let the bars to choose on begin at the first and grow.")] = False,
    initial_cash: Annotated[float, Field(gt=0, le=1e12, description="Cash at the start.")] = 1_000_000.0,
    commission_bps: Annotated[float, Field(ge=0, le=1000, description="Commission, hundredths of a percent.")] = 0.0,
    slippage_bps: Annotated[float, Field(ge=0, le=1000, description="Slippage, hundredths of a percent.")] = 0.0,
    fill: Annotated[FillMode, Field(description="next_open, or this_close.")] = FillMode.NEXT_OPEN,
    rules: Annotated[RulesChoice, Field(description="Market rules; auto: those of the exchange.")] = RulesChoice.AUTO,
) -> RunTicket:
    """Try a named strategy with many parameters over one or more instruments; queues it and answers with its id.

    Use it for "which parameters work", and say how much of the answer is luck; `train` and `test` show how parameters
    chosen on the past did on days they were not chosen on. Then call `nextAction` until the run has ended, and read the
    trials with `investment.stock.backtest.sweep.get`. Not for one set of parameters.
    """
    terms = Terms(
        start=start,
        end=end,
        initial_cash=initial_cash,
        commission_bps=commission_bps,
        slippage_bps=slippage_bps,
        fill=fill,
        rules=rules,
    )
    wish = SweepRun(
        strategy=strategy,
        symbol=symbol or "",
        symbols=tuple(symbols or ()),
        grid=grid,
        terms=terms,
        objective=objective,
        trials=trials,
        seed=seed,
        train=train,
        test=test,
        anchored=anchored,
    )
    return await ctx.services.sweeps.queue(ctx.uow, ctx.team_id, wish=wish, created_by=ctx.caller.username or "")


@skill(
    "investment.stock.backtest.sweep.get",
    tier=RiskTier.GREEN,
    http="GET /v1/backtests/sweeps/{run_id}",
    title="One sweep",
    title_zh="参数扫描结果",
    aliases={"id": "run_id"},
    example={"run_id": A_RUN, "page": 1, "size": 10},
    gotchas=("`verdict` judges the whole grid; an `overfitting_probability` near 0.5 is a coin toss.",),
)
async def backtest_sweep_get(
    ctx: SkillContext,
    *,
    run_id: RunId,
    page: Annotated[int, Field(ge=1, le=MAXIMUM_TRIALS, description="Page, from 1.")] = 1,
    size: Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="Trials per page.")] = 20,
) -> SweepPage:
    """What a finished sweep found: the best trial, what the whole grid proves, and its trials, best first, paged.

    Use it after `investment.stock.backtest.sweep.run` has ended. Tell the best together with `verdict`: a
    `deflated_sharpe` below 0.95 may be luck.
    """
    return await ctx.services.sweeps.get(ctx.uow, ctx.team_id, run_id=run_id, page=page, size=size)


@skill(
    "investment.stock.backtest.run.get",
    tier=RiskTier.GREEN,
    http="GET /v1/backtests/runs/{run_id}",
    title="One backtest run",
    title_zh="回测运行状态",
    aliases={"id": "run_id"},
    example={"run_id": A_RUN, "wait_seconds": 10},
    gotchas=("`failure` says why a run failed; the same call would fail again.",),
)
async def backtest_run_get(
    ctx: SkillContext,
    *,
    run_id: RunId,
    wait_seconds: Annotated[
        int, Field(ge=0, le=MAXIMUM_WAIT, description="Wait so long for the end before answering.")
    ] = 0,
) -> RunDetail:
    """How a queued or running backtest stands: state, part done, time left, log, and its result once it succeeded.

    Use it after `investment.stock.backtest.run` or `.sweep.run`, with `wait_seconds` instead of asking again and again.
    `result.resultId` is the id for `investment.stock.backtest.get`.
    """
    return await ctx.services.backtest_runs.get(
        ctx.uow, ctx.team_id, run_id=run_id, wait_seconds=wait_seconds, report=ctx.report
    )


@skill(
    "investment.stock.backtest.run.list",
    tier=RiskTier.GREEN,
    http="GET /v1/backtests/runs",
    title="List backtest runs",
    title_zh="回测运行列表",
    unwrap="items",
    example={"state": "running"},
)
async def backtest_run_list(
    ctx: SkillContext,
    *,
    state: Annotated[RunState | None, Field(description="Only runs in this state.")] = None,
    limit: Annotated[int, Field(ge=1, le=LATEST, description="Runs to list at most.")] = 20,
) -> RunPage:
    """The team's backtest runs and sweeps, newest first, with state and progress; `total` counts all that match.

    Use it to find a run whose id was lost, or to see what is still going on. Finished results with their figures are in
    `investment.stock.backtest.list`.
    """
    return await ctx.services.runs.list(ctx.uow, ctx.team_id, kinds=KINDS, state=state, limit=limit)


@skill(
    "investment.stock.backtest.run.cancel",
    tier=RiskTier.YELLOW,
    http="POST /v1/backtests/runs/{run_id}/cancel",
    title="Cancel a backtest run",
    title_zh="取消回测运行",
    aliases={"id": "run_id"},
    example={"run_id": A_RUN},
    gotchas=("A running one ends within seconds: until then its state is still running.",),
)
async def backtest_run_cancel(ctx: SkillContext, *, run_id: RunId) -> RunDetail:
    """Stop a queued or running backtest; nothing of it is kept but its log.

    Only for a run that the user no longer wants. It can simply be run again.
    """
    return await ctx.services.runs.cancel(ctx.uow, ctx.team_id, run_id=run_id)


@skill(
    "investment.stock.backtest.lookahead.check",
    tier=RiskTier.GREEN,
    http="POST /v1/backtests/lookahead",
    title="Check for look-ahead",
    title_zh="未来函数检查",
    example={"strategy": "breakout", "symbol": "600050.SH", "samples": 4},
    gotchas=("No finding is no proof: it says that none of the sampled bars gave one.",),
)
async def backtest_lookahead_check(
    ctx: SkillContext,
    *,
    strategy: Strategy,
    symbol: Annotated[str, Field(min_length=1, max_length=32, description="Code of one instrument.")],
    parameters: Parameters = None,
    start: First = None,
    end: Last = None,
    samples: Annotated[int, Field(ge=1, le=16, description="Bars after which the future is scrambled.")] = 8,
) -> LookAheadReport:
    """Run a strategy again with another future after sampled bars, and report orders that change because of it.

    Use it when a result looks too good: a strategy that reads the future orders differently when the future is another
    one. It takes seconds and keeps nothing. Not for judging luck: see `deflated_sharpe` of a result for that.
    """
    terms = Terms(start=start, end=end)
    wish = StrategyRun(strategy=strategy, symbols=(symbol,), parameters=parameters or {}, terms=terms)
    return await ctx.services.lookahead.check(ctx.team_id, wish=wish, samples=samples)
