"""The callback driver: one instrument, a function called on every bar."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from core.backtest.context import Context
from core.backtest.corporate_actions import DueAction
from core.backtest.history import BLOCK, HistoryWriter
from core.backtest.holding_actions import apply_action, pay_owed
from core.backtest.made_bars import BarMaker
from core.backtest.model import Bar
from core.backtest.problems import StrategyInvalid
from core.backtest.settlement import Holding, settle, settle_order
from core.backtest.watching import TOLD, Progress, RunLimits, Watch
from core.clock import Clock
from core.matching import order_layout as at
from core.matching.model import FillMode

PLACES: Final = tuple(range(BLOCK))
"""Places in a block, made once: a number made anew for every bar is a part of its time."""
NEVER_RUNS: Final = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


@dataclass(frozen=True, slots=True)
class Hooks:
    """The functions of a strategy."""

    on_bar: Callable[[Bar, Context], object]
    on_start: Callable[[Context], object] | None = None
    on_end: Callable[[Context], object] | None = None


def hooks_of(strategy: object) -> Hooks:
    """Read a strategy: a function of bar and context, or an object with `on_bar` and perhaps `on_start`, `on_end`.

    Raises `StrategyInvalid` for what cannot be called, and for functions that would only make a generator or coroutine.
    """
    on_bar = getattr(strategy, "on_bar", strategy)
    if not callable(on_bar):
        raise StrategyInvalid(
            reason=f"A strategy is a function of (bar, ctx) or an object with on_bar, not {strategy!r}."
        )
    if any(never(on_bar) for never in NEVER_RUNS):
        raise StrategyInvalid(reason="The strategy is async or contains yield; calling it would run nothing of it.")
    return Hooks(on_bar, getattr(strategy, "on_start", None), getattr(strategy, "on_end", None))


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveOptions:
    """How bars are walked through."""

    fill: FillMode = FillMode.NEXT_OPEN
    warmup_bars: int = 0
    max_history: int | None = None
    limits: RunLimits = field(default_factory=RunLimits)
    progress: Callable[[Progress], object] | None = None


class CallbackRun:
    """One run of a strategy over the bars of one holding."""

    def __init__(
        self, holding: Holding, strategy: object, *, due: Sequence[DueAction], options: DriveOptions, clock: Clock
    ) -> None:
        self.holding, self.options, self.clock = holding, options, clock
        self.hooks = hooks_of(strategy)
        self.due = list(due)
        size = len(holding.bars)
        self.build = BarMaker(holding.bars).build
        self.writer = HistoryWriter(self.build, size=size, longest=options.max_history)
        self.context = Context(holding, self.writer.history, initial=holding.account.cash)
        self.settle_at = self._quick()
        self.hook = "on_start"

    def run(self) -> None:
        """Walk through all bars. Raises `StrategyFailed` and `RunStopped`."""
        watch = self._watch(len(self.holding.bars))
        watch.over(lambda: self._walk(watch))
        self.holding.end_waiting()
        del self.settle_at  # it holds the run, which would keep all bars alive until the next collection

    def _walk(self, watch: Watch) -> None:
        """Call the strategy on every bar, block by block."""
        holding, size = self.holding, len(self.holding.bars)
        if self.hooks.on_start is not None:
            self.hooks.on_start(self.context)
        self.hook = "on_bar"
        for start, stop in pairwise(self._cuts(size)):
            if start % TOLD == 0:
                watch.tell(start)
            if start % BLOCK == 0:
                self.writer.forget()
            holding.load(start)
            self._events(start)
            self.context._begin(start)  # noqa: SLF001 - the driver's side of the context
            block = list(self.build(start, stop))
            if start < self.options.warmup_bars:
                self._warm_up(block)
            elif self.options.fill is FillMode.NEXT_OPEN:
                self._next_open(block, start)
            else:
                self._this_close(block, start)
        watch.tell(size)
        self.hook = "on_end"
        if self.hooks.on_end is not None:
            self.hooks.on_end(self.context)

    def _watch(self, size: int) -> Watch:
        return Watch(
            self.clock,
            self.options.limits,
            total=size,
            where=self._where,
            log=self.context._log,  # noqa: SLF001 - the driver's side of the context
            progress=self.options.progress,
        )

    def _where(self) -> tuple[str, int, str]:
        index = self.context._index  # noqa: SLF001 - the driver's side of the context
        return self.hook, index, self.holding.bars.dt(index) if index >= 0 else "before the first bar"

    def _cuts(self, size: int) -> list[int]:
        """Return where blocks begin, so that nothing but orders needs looking at on every bar."""
        events = {due.index for due in self.due} | {due.pay_index for due in self.due if due.pay_index is not None}
        step = BLOCK if self.options.progress is None else TOLD
        cuts = {0, size, min(self.options.warmup_bars, size)} | set(range(0, size, step)) | events
        return sorted(cuts)

    def _events(self, index: int) -> None:
        """Book corporate actions before anything trades."""
        found = [due for due in self.due if due.index == index]
        for due in found:
            apply_action(self.holding, due)
        if found or self.holding.owed:
            pay_owed(self.holding, index)
            self.holding.note(index)
            self.context._hold(self.holding.position)  # noqa: SLF001 - the driver's side of the context

    def _warm_up(self, block: list[Bar]) -> None:
        now, append = self.context._now, self.writer.append  # noqa: SLF001 - the driver's side of the context
        for now[0], bar in zip(PLACES, block, strict=False):
            append(bar)

    def _next_open(self, block: list[Bar], start: int) -> None:
        context, append, on_bar, queue = self.context, self.writer.append, self.hooks.on_bar, self.holding.queue
        now, settle_at = context._now, self.settle_at  # noqa: SLF001 - the driver's side of the context
        for place, bar in zip(PLACES, block, strict=False):
            if queue:
                settle_at(start + place)
            now[0] = place
            append(bar)
            on_bar(bar, context)

    def _this_close(self, block: list[Bar], start: int) -> None:
        context, append, on_bar, queue = self.context, self.writer.append, self.hooks.on_bar, self.holding.queue
        now, settle_at = context._now, self.settle_at  # noqa: SLF001 - the driver's side of the context
        for place, bar in zip(PLACES, block, strict=False):
            now[0] = place
            append(bar)
            on_bar(bar, context)
            if queue:
                settle_at(start + place)

    def _settle(self, index: int) -> None:
        """Settle whatever waits for a bar."""
        holding = self.holding
        price = holding.quote(at.PRICE, index)
        settle([(holding, index)], lambda: holding.account.cash + holding.worth(price))
        self.context._hold(holding.position)  # noqa: SLF001 - the driver's side of the context

    def _quick(self) -> Callable[[int], None]:
        """Return what settles the orders of a bar: one call where a single order waits, as nearly always."""
        holding, context, many, compiled = self.holding, self.context, self._settle, settle_order()
        account, queue, places_at = holding.account, holding.queue, holding.places.ctypes.data
        show = vars(Context)["position"].__set__

        def settle_at(index: int) -> None:
            if len(queue) > 1:
                many(index)
                return
            row, side, kind, value, limit, submitted = order = queue.pop()
            held = compiled(places_at, index, row, side, kind, value, limit, submitted)
            if held == at.NEEDS_ROOM:
                account.make_room()
                held = compiled(places_at, index, row, side, kind, value, limit, submitted)
            if held >= 0:
                if held != context.position:
                    show(context, held)
                return
            queue.append(order)
            show(context, holding.position)

        return settle_at if holding.is_plain else many
