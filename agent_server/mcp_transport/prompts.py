"""Prompts: the common jobs, said once in English and Chinese, so that a person need not know the tools.

Each is offered only to callers who have the skills it needs. What a person types into an argument becomes part of what
the person says; it gains no right by that.
"""

from dataclasses import dataclass
from typing import Final

from mcp import types
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from agent_server.mcp_transport.identity import Context, Identity
from agent_server.mcp_transport.pages import page
from agent_server.mcp_transport.requests import caller_of
from agent_server.tool_bridge import ToolBridge

LONGEST: Final = 500
LANGUAGES: Final = ("en", "zh")
LIST_MILLISECONDS: Final = 60_000
LANGUAGE: Final = types.PromptArgument(
    name="language", title="Language 语言", description="en or zh; en when left out."
)


@dataclass(frozen=True, slots=True)
class Job:
    """One prompt. `arguments` are needed; their descriptions stand beside their names. `needs` are skill ids."""

    name: str
    title: str
    description: str
    needs: tuple[str, ...]
    english: str
    chinese: str
    arguments: tuple[tuple[str, str], ...] = ()


JOBS: Final = (
    Job(
        "review_portfolio",
        "Review my portfolio 持仓体检",
        "How the portfolio stands: profit and loss, weights, what stands out.",
        ("investment.stock.portfolio.pnl.get", "investment.stock.portfolio.list"),
        "Review my portfolio. Read the profit and loss and the holdings, name the three largest winners and losers, "
        "any holding above 20% of the value and anything marked stale or suspended. Say the date of the prices.",
        "请检查我的持仓:读取盈亏和持仓,列出盈利和亏损最大的各三只、占比超过20%的持仓,以及价格陈旧或停牌的证券,并说明行情日期。",
    ),
    Job(
        "explain_position",
        "Explain a position 解释持仓",
        "How the quantity and cost of one holding came about, trade by trade.",
        ("investment.stock.portfolio.explain", "investment.stock.trading.list"),
        "Explain my position in {symbol}: which trades and corporate actions led to its quantity and cost, and how its "
        "profit or loss is computed. Quote the records.",
        "请解释我持有的{symbol}:哪些成交和公司行动形成了当前数量与成本,盈亏是如何计算的,并引用相应记录。",
        (("symbol", "Code, such as 600519.SH."),),
    ),
    Job(
        "research_instrument",
        "Look at an instrument 研究证券",
        "Price, recent course and stored advice for one instrument.",
        ("market.quote.get", "market.bars.get"),
        "Look at {symbol}: last price, the last 60 daily bars with adjustment forward, and any recommendation stored "
        "here. Describe what happened, no forecast; say the dates of the data.",
        "请研究{symbol}:最新价、最近60个交易日的前复权日线,以及本台已有的建议。只描述事实,不做预测,并说明数据日期。",
        (("symbol", "Code, such as 600519.SH."),),
    ),
    Job(
        "run_backtest",
        "Backtest an idea 回测策略",
        "Run a named strategy over history and judge the result soberly.",
        ("investment.stock.backtest.run", "investment.stock.backtest.strategy.list"),
        "Backtest this idea on {symbol}: {idea}. Choose the nearest named strategy, say which and with what costs, "
        "wait for the run, report return, drawdown, trades and how its orders ended, and what speaks against it.",
        "请在{symbol}上回测这个想法:{idea}。选择最接近的内置策略并说明参数和费用,等待运行结束,报告收益、回撤、交易和委托结果,并指出结果的不足。",
        (("symbol", "Code, such as 600519.SH."), ("idea", "The idea in a sentence.")),
    ),
    Job(
        "compare_backtests",
        "Compare backtests 对比回测",
        "Which of several finished backtests is better, and whether that may be luck.",
        ("investment.stock.backtest.compare",),
        "Compare the backtests {ids}. Which is better by which figure, do they cover the same days and data, and may "
        "the difference be luck (deflated Sharpe ratio)?",
        "请对比回测{ids}:按哪些指标哪个更好,区间和数据是否一致,差异是否可能只是运气(参考校正后的夏普比率)?",
        (("ids", "Ids of runs, such as 3, 5."),),
    ),
    Job(
        "record_trade",
        "Record a trade 记录成交",
        "Enter a purchase or sale that has happened.",
        ("investment.stock.trading.create",),
        "Record this trade of mine in the ledger: {trade}. Find the instrument, ask me for whatever is missing (side, "
        "quantity, price, day, fees), read it back to me before you record it, and show the position afterwards.",
        "请把我的这笔成交记入台账:{trade}。先确认证券,缺少的信息(方向、数量、价格、日期、费用)请问我,记录前复述一遍,记录后给出最新持仓。",
        (("trade", "What was bought or sold."),),
    ),
)


class Prompts:
    """See the module."""

    def __init__(self, bridge: ToolBridge, identity: Identity) -> None:
        self._bridge, self._identity = bridge, identity

    async def listed(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        """Return the jobs that the caller can do."""
        shown, following = page([_prompt(job) for job in await self._offered(ctx)], params)
        return types.ListPromptsResult(
            prompts=shown, next_cursor=following or None, ttl_ms=LIST_MILLISECONDS, cache_scope="private"
        )

    async def get(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """Return a job's words with the arguments in place. Raises `MCPError` naming every faulty argument."""
        job = next((known for known in await self._offered(ctx) if known.name == params.name), None)
        if job is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name[:80]}")
        given = {name: value.strip() for name, value in (params.arguments or {}).items()}
        language = given.pop("language", "") or LANGUAGES[0]
        faults = _faults(job, given, language)
        if faults:
            raise MCPError(INVALID_PARAMS, "; ".join(faults))
        words = (job.chinese if language == "zh" else job.english).format(**given)
        message = types.PromptMessage(role="user", content=types.TextContent(text=words))
        return types.GetPromptResult(description=job.description, messages=[message])

    async def _offered(self, ctx: Context) -> list[Job]:
        caller = await caller_of(self._identity, ctx)
        return [job for job in JOBS if all(self._bridge.tools.find(caller, need) for need in job.needs)]


def _prompt(job: Job) -> types.Prompt:
    needed = [types.PromptArgument(name=name, description=text, required=True) for name, text in job.arguments]
    return types.Prompt(name=job.name, title=job.title, description=job.description, arguments=[*needed, LANGUAGE])


def _faults(job: Job, given: dict[str, str], language: str) -> list[str]:
    known = [name for name, _ in job.arguments]
    faults = [f"{name} is needed" for name in known if not given.get(name)]
    faults += [f"{name[:40]} is no argument of this prompt" for name in given if name not in known]
    faults += [
        f"{name[:40]} is longer than {LONGEST} characters" for name, text in given.items() if len(text) > LONGEST
    ]
    return faults + ([f"language must be one of {', '.join(LANGUAGES)}"] if language not in LANGUAGES else [])
