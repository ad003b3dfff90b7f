"""Parts of a scenario that several places use: checks of values, spans of time, calls of skills, changes of rows."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
COMPARISONS: Final = (
    *("eq", "ne", "one_of", "approx", "contains", "matches", "not_matches", "exists", "length"),
    *("lt", "gt", "le", "ge"),
)


class Part(BaseModel):
    """A block of a scenario. Unknown keys are errors; attribute docstrings are the descriptions of the JSON Schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)


def _span(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"([+-]?)(\d+)([smhd])", str(value))
    if match is None:
        raise ValueError("write a span as a number and s, m, h or d, such as 90s, 11m or 2h")
    sign = -1 if match[1] == "-" else 1
    return sign * timedelta(**{UNITS[match[3]]: int(match[2])})


Span = Annotated[
    timedelta,
    BeforeValidator(_span, json_schema_input_type=str),
    Field(description="A span of time: a number and s, m, h or d, such as 90s, 11m, 2h."),
]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]


class Comparison(Part):
    """What a value must be. Several comparisons in one entry must all hold; numbers in text compare as numbers."""

    eq: Any = None
    """Equal to this, as JSON; a mapping must be equal as a whole."""
    ne: Any = None
    """Different from this."""
    one_of: tuple[Any, ...] | None = Field(default=None, alias="in")
    """Equal to one of these."""
    approx: float | None = None
    """A number this close to `tol`."""
    tol: float = 1e-9
    """How far from `approx` the number may be."""
    contains: Any = None
    """A text that has this part, or a list that has this item."""
    matches: Pattern | None = None
    """A text in which this regular expression is found."""
    not_matches: Pattern | None = None
    """A text, or a value written as JSON, in which this regular expression is not found."""
    exists: bool | None = None
    """Whether the path leads to anything at all."""
    length: int | None = Field(default=None, alias="len")
    """How many items a list or characters a text has."""
    lt: float | str | None = None
    """Less than this number, or a text that sorts before it."""
    gt: float | str | None = None
    """Greater than this number, or a text that sorts after it."""
    le: float | str | None = None
    """At most this number, or a text that does not sort after it."""
    ge: float | str | None = None
    """At least this number, or a text that does not sort before it."""

    @property
    def asked(self) -> list[str]:
        """The comparisons written down, also those with null."""
        return [name for name in COMPARISONS if name in self.model_fields_set]

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.asked:
            raise ValueError(
                "say what is expected: eq, ne, approx, contains, matches, not_matches, exists, len, lt, gt"
            )
        return self


class PathCheck(Comparison):
    """A check of the values a JSONPath finds in a tool's answer.

    The document is `{"status": 200, "data": ..., "meta": {...}}` for an answer, and the problem body (`status`, `code`,
    `message` and its extras) for a refusal.
    """

    path: str
    """A JSONPath such as `$.data.totals.marketValue` or `$.code`."""


class RowCheck(Comparison):
    """A check of the first column of the first row that SQL finds in the desk's database afterwards."""

    sql: str
    """One SELECT; tables and columns are those of the desk. `${name}` works."""
    when: str | None = None
    """Only in this variant."""


class Patch(Part):
    """A change made to the copy of the desk's database, past every rule."""

    sql: str
    """One statement; `:v` stands for the value."""
    v: Any = None
    """The value of `:v`; `${inject}` puts the attack's text here."""


def one_tool(value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Check that a mapping names exactly one tool."""
    if len(value) != 1:
        raise ValueError("name exactly one tool here, with its arguments")
    return value


def _arguments(value: object) -> object:
    """Read `tool:` without arguments as a call with none."""
    return {k: {} if v is None else v for k, v in value.items()} if isinstance(value, dict) else value


ToolUse = Annotated[dict[str, dict[str, Any]], BeforeValidator(_arguments), AfterValidator(one_tool)]
"""`{skill id: {argument: value}}`."""


class Action(Part):
    """A skill run directly, past the chat: by a fixture, before a case, or between turns. Red ones are approved."""

    call: ToolUse
    """The skill and its arguments."""
    by: str = "ada"
    """The user who runs it, with every right."""
    save: dict[str, str] = Field(default_factory=dict)
    """Variables taken from the answer by JSONPath."""
