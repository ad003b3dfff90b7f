"""What can be wrong with a backtest, each with what a caller needs to put it right."""

from typing import ClassVar

from core.errors import Invalid, NotPossible


class BarsInvalid(Invalid):
    """A row of the data that no market can have. `row` counts from 1 within the rows given."""

    code = "bars_invalid"
    template = "Row {row} ({when}): {reason}"
    shown: ClassVar[tuple[str, ...]] = ("row", "when", "reason")


class BarsMissing(Invalid):
    """No row is left to run on."""

    code = "bars_missing"
    template = "There are no bars{between}."


class TooManyBars(Invalid):
    """More rows than the run allows."""

    code = "too_many_bars"
    template = "There are {count} bars; max_bars is {largest}. Narrow start and end, or raise max_bars."


class ColumnMissing(Invalid):
    """A column that the run needs is not in the data."""

    code = "column_missing"
    template = "The data has no column {column!r} ({purpose}). It has: {columns}."


class ParameterInvalid(Invalid):
    """A parameter of a backtest that cannot be meant."""

    code = "backtest_parameter_invalid"
    template = "{name}: {reason}"
    shown: ClassVar[tuple[str, ...]] = ("name", "reason")


class ListingUnknown(Invalid):
    """Market rules were asked for and nothing says which board the bars belong to."""

    code = "listing_unknown"
    template = "market_rules={rules!r} needs to know the instrument: give a symbol such as 600519.SH, not {given!r}."


class PortMissing(NotPossible):
    """The run asks for something that this place does not provide."""

    code = "backtest_port_missing"
    template = "{parameter} needs {port}, which is not set here. {instead}"


class OrderInvalid(Invalid):
    """An order that cannot be meant: a size or limit that is not a number of the kind allowed."""

    code = "order_invalid"
    template = "{reason}"


class HistoryReadOnly(Invalid):
    """A strategy tried to change the bars it was shown."""

    code = "history_read_only"
    template = "ctx.history is read-only; copy it with list(ctx.history) first."


class StrategyInvalid(Invalid):
    """What was given as a strategy cannot be called once per bar."""

    code = "strategy_invalid"
    template = "{reason}"


class StrategyFailed(NotPossible):
    """The strategy raised an error; the run is not a result."""

    code = "strategy_failed"
    template = "The strategy failed in {hook} on bar {bar} ({when}), {place}: {error}"
    shown: ClassVar[tuple[str, ...]] = ("hook", "bar", "when", "place", "error", "log")


class RunStopped(NotPossible):
    """The run was stopped from outside: out of time, out of memory, or cancelled."""

    code = "backtest_stopped"
    template = "The run was stopped at bar {bar} ({when}): {reason}."
    shown: ClassVar[tuple[str, ...]] = ("bar", "when", "reason", "log")


class TicksNeeded(Invalid):
    """A matching type was asked for whose prices are in no bar."""

    code = "ticks_needed"
    template = "matching={matching!r} needs {needed}. {instead}"
    shown: ClassVar[tuple[str, ...]] = ("matching", "needed")


class TicksInvalid(Invalid):
    """Ticks that no market can have, or that cannot be read."""

    code = "ticks_invalid"
    template = "The ticks{where} cannot be used: {reason}"
    shown: ClassVar[tuple[str, ...]] = ("where", "reason")
