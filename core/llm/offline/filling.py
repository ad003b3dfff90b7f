"""A question's codes, days, numbers and words as the arguments of a tool, by the tool's own schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.llm.offline.question import Question
from core.llm.offline.topics import contains

MOST_CODES: Final = 50
CODE_NAMES: Final = ("symbols", "symbol", "stock_num", "code", "codes")
TEXT_NAMES: Final = ("text", "q")
FIRST_DAYS: Final = ("start", "from", "begin", "since")
ENUM_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "paper": ("模拟盘", "纸面", "paper"),
    "BUY": ("买入", "买过", "买了", "bought", "buys", "purchases"),
    "SELL": ("卖出", "卖过", "卖了", "sold", "sells", "sales"),
    "HK": ("港股", "香港", "hong kong"),
    "forward": ("前复权", "forward adjusted"),
    "backward": ("后复权", "backward adjusted"),
    "index": ("指数", "index"),
    "1m": ("1分钟", "一分钟"),
    "5m": ("5分钟", "五分钟"),
    "15m": ("15分钟",),
    "30m": ("30分钟",),
    "60m": ("60分钟", "小时线"),
}
"""Values of closed lists, and the words that mean them."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Arguments read from a question, and the required ones it does not say."""

    arguments: dict[str, Any]
    missing: tuple[str, ...]

    @property
    def lacks_code(self) -> bool:
        """Whether a code is missing, which a name may lead to."""
        return any(name in CODE_NAMES for name in self.missing)


def fill(schema: Mapping[str, Any], question: Question) -> Filled:
    """Read the arguments of a tool from a question."""
    required = tuple(schema.get("required", ()))
    arguments: dict[str, Any] = {}
    for name, shape in schema.get("properties", {}).items():
        value = _value(name, shape, question) if name in required or name not in TEXT_NAMES else None
        if value is not None:
            arguments[name] = value
    return Filled(arguments, tuple(name for name in required if name not in arguments))


def takes_codes(schema: Mapping[str, Any]) -> bool:
    """Tell whether a tool takes the code of an instrument."""
    return any(name in CODE_NAMES for name in schema.get("properties", {}))


def takes_days(schema: Mapping[str, Any]) -> bool:
    """Tell whether a tool takes a day."""
    return any("date" in _formats(shape) for shape in schema.get("properties", {}).values())


def ignored(schema: Mapping[str, Any], question: Question) -> list[str]:
    """Return what the question names and the tool cannot be told: codes, days, or the beginning of a span."""
    names = schema.get("properties", {})
    left = [] if takes_codes(schema) else list(question.codes)
    if question.span is not None and not any(name.startswith(FIRST_DAYS) for name in names):
        return [*left, " - ".join(day.isoformat() for day in question.span)]
    return left + ([] if takes_days(schema) or question.span else [day.isoformat() for day in question.days])


def _value(name: str, shape: Mapping[str, Any], question: Question) -> Any:
    kinds = _kinds(shape)
    if name in CODE_NAMES:
        listed = list(question.codes[:MOST_CODES])
        return (listed if "array" in kinds else listed[0]) if listed else None
    if "date" in _formats(shape):
        return _day(name, question)
    if _choices(shape):
        return _choice(name, _choices(shape), question)
    if name == "ids" and "array" in kinds:
        return list(question.numbers) if len(question.numbers) > 1 else None
    if name == "id" or name.endswith("_id"):
        return question.numbers[0] if question.numbers and "integer" in kinds else None
    if name in TEXT_NAMES:
        return (question.codes or question.names or (None,))[0]
    return None


def _day(name: str, question: Question) -> str | None:
    single = question.days[0] if question.days else None
    first, last = question.span or (single, single)
    meant = first if name.startswith(FIRST_DAYS) else last
    return meant.isoformat() if meant is not None else None


def _choice(name: str, choices: list[str], question: Question) -> str | None:
    if name == "language":
        return "zh" if question.is_chinese else "en"
    text = question.text.lower()
    return next((value for value in choices if any(contains(text, word) for word in ENUM_WORDS.get(value, ()))), None)


def _members(shape: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [shape, *shape.get("anyOf", ())]


def _kinds(shape: Mapping[str, Any]) -> set[str]:
    return {str(member.get("type", "")) for member in _members(shape)}


def _formats(shape: Mapping[str, Any]) -> set[str]:
    return {str(member.get("format", "")) for member in _members(shape)}


def _choices(shape: Mapping[str, Any]) -> list[str]:
    return [value for member in _members(shape) for value in member.get("enum", ()) if isinstance(value, str)]
