"""What the ledger refuses, and why. Nothing is written when one of these is raised."""

from typing import Any

from core.errors import FieldFault, Invalid, NotFound, NotPossible


class SellExceedsHolding(NotPossible):
    """More shares leave than are there on that day."""

    code = "sell_exceeds_holding"
    template = "{quantity} {symbol} cannot leave on {day}: only {held} are held then{where}."
    shown = ("symbol", "day", "quantity", "held", "record")


class BoughtToday(NotPossible):
    """An A share bought today cannot be sold before the next trading day (T+1)."""

    code = "t_plus_one"
    template = (
        "{quantity} {symbol} cannot be sold on {day}: {bought} of the {held} held were bought that day, and this "
        "instrument settles T+1, so at most {sellable} can be sold{where}."
    )
    shown = ("symbol", "day", "quantity", "held", "bought", "sellable", "record")


class EventWithoutHolding(NotPossible):
    """A dividend, bonus, split or rights issue of shares that were not held."""

    code = "event_without_holding"
    template = "The {kind} of {symbol} on {day} needs shares, and none are held then{where}."
    shown = ("symbol", "day", "record")


class BeforeOpening(NotPossible):
    """A fact dated before the opening that a person entered for the position."""

    code = "before_opening"
    template = "{day} lies before the opening of {symbol} on {opening_day}; the opening already contains it."
    shown = ("symbol", "day", "opening_day")


class OpeningExists(NotPossible):
    """An opening for a position that has a history already."""

    code = "position_exists"
    template = (
        "{symbol} already has {count} facts in account {account_id} (position {position_id}). "
        "Record trades, or update that position; an opening is only for the first fact."
    )
    shown = ("symbol", "account_id", "position_id")


class FutureDate(NotPossible):
    """A fact that has not happened yet."""

    code = "future_date"
    template = "{day} lies in the future; today is {today}."
    shown = ("day", "today")


class MarketClosed(NotPossible):
    """A trade on a day its exchange was closed."""

    code = "market_closed"
    template = "{exchange} was closed on {day}, so {symbol} cannot have traded."
    shown = ("symbol", "day", "exchange")


class NotListed(NotPossible):
    """A trade before the listing or after the delisting of an instrument."""

    code = "not_listed"
    template = "{symbol} was not listed on {day} ({listing})."
    shown = ("symbol", "day")


class FigureInvalid(Invalid):
    """A price, quantity or amount that no trade can have. `field` is the argument's name on the wire."""

    code = "validation_failed"
    template = "{field} must be {expected}, not {got}."
    shown = ("field", "expected", "got")

    def extras(self) -> dict[str, Any]:
        """Return the shown fields and the fault, at the argument's place."""
        told = {name: str(self.data[name]) for name in self.shown}
        fault = FieldFault(told["field"], self.message, expected=told["expected"], got=told["got"])
        return told | {"errors": [fault.as_dict()]}


class NothingToChange(Invalid):
    """A correction that names no figure."""

    template = "Nothing is to be changed: give qty, cost or both."


class DayInFuture(Invalid):
    """A valuation of a day that has not come."""

    template = "{argument} {day} lies in the future; today is {today}."


class MarketMismatch(Invalid):
    """The market named beside a code is not the market of that code."""

    code = "validation_failed"
    template = "{symbol} trades on {exchange}, not on {market}."
    shown = ("symbol", "market")


class AssetClassUnavailable(Invalid):
    """Funds and gold share the routes of stocks and do not exist yet."""

    code = "asset_class_unavailable"
    template = "asset_class {asset_class!r} does not exist yet: this desk keeps stocks only (asset_class='stock')."
    shown = ("asset_class",)


class AccountTypeFixed(Invalid):
    """An account is real or paper from its first fact on."""

    code = "account_type_fixed"
    template = "Account {account_id} is {account_type}; it cannot hold {asked} facts. Choose another account_id."
    shown = ("account_id", "account_type")


class PositionNotFound(NotFound):
    """No such position in this team."""

    code = "position_not_found"
    template = "No position {position_id}."


class TradeNotFound(NotFound):
    """No such trade in this team, or it was taken back already."""

    code = "trade_not_found"
    template = "No trade {record_id}."


class FactIsNeeded(NotPossible):
    """A fact that later facts rest on cannot be taken back."""

    code = "fact_is_needed"
    template = (
        "Record {record_id} cannot be taken back: record {dependent_id} ({dependent_kind} of {symbol} on "
        "{dependent_day}) depends on it. {reason} Delete that one first."
    )
    shown = ("record_id", "dependent_id", "symbol")


class FactExists(NotPossible):
    """An external id that the account knows already."""

    code = "external_id_exists"
    template = "Account {account_id} already has a fact with external id {external_id!r}."
    shown = ("account_id", "external_id")


class StatementNotRecognised(Invalid):
    """A file that is no broker statement this desk can read."""

    code = "statement_not_recognised"
    template = "{file_name} is not a broker statement that can be read: {reason}"
    shown = ("file_name",)
