"""The contract built from a signature: every fault at once, both spellings, schemas with exact content."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from core.errors import ArgumentsInvalid
from tools.redaction import Secret
from tools.risk import RiskTier
from tools.schema import SkillSchema
from tools.skill import ATTRIBUTE, SkillDeclarationError, skill


class Category(StrEnum):
    BUG_REPORT = "bug_report"
    GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Item:
    stock_num: str
    target_price: Annotated[Decimal, Field(gt=0)] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    total_pnl: Decimal
    on_day: date | None
    kinds: tuple[Category, ...] = ()


@skill(
    "sample.order.create",
    tier=RiskTier.YELLOW,
    http="POST /api/samples/{account_id}/orders",
    title="Create",
    title_zh="新建",
    aliases={"id": "account_id"},
    example={"account_id": 7},
)
async def create(
    ctx,
    *,
    account_id: int,
    stock_num: Annotated[str, Field(max_length=12, description="Bare code, as text.", examples=["000878"])],
    price: Annotated[Decimal | None, Field(gt=0)] = None,
    category: Category = Category.GENERAL,
    side: Literal["BUY", "SELL"] = "BUY",
    days: list[date] | None = None,
    items: Annotated[list[Item], Field(max_length=2)] = [],  # noqa: B006
    is_test: bool = False,
    extra: dict[str, int] | None = None,
    password: Annotated[str | None, Field(max_length=4), Secret()] = None,
) -> Outcome:
    """Create a sample order."""


SCHEMA = SkillSchema(getattr(create, ATTRIBUTE))
DEFAULTS = {
    "price": None,
    "category": Category.GENERAL,
    "side": "BUY",
    "days": None,
    "items": [],
    "is_test": False,
    "extra": None,
    "password": None,
}


def faults(**params):
    with pytest.raises(ArgumentsInvalid) as caught:
        SCHEMA.bind({"account_id": 1, "stock_num": "1"} | params)
    return [fault.as_dict() for fault in caught.value.faults]


def test_defaults_are_filled_in():
    assert SCHEMA.bind({"account_id": 1, "stock_num": "000878"}) == {
        "account_id": 1,
        "stock_num": "000878",
        **DEFAULTS,
    }


@pytest.mark.parametrize("key", ["account_id", "accountId", "id"])
@pytest.mark.parametrize("stock", ["stock_num", "stockNum"])
def test_every_spelling_is_the_same_argument(key, stock):
    assert SCHEMA.bind({key: "1", stock: "000878"})["account_id"] == 1


def test_the_same_argument_twice_with_one_value_is_fine_and_with_two_is_a_fault():
    assert SCHEMA.bind({"accountId": 1, "id": 1, "stock_num": "1"})["account_id"] == 1
    assert faults(id=2) == [
        {
            "path": "id",
            "message": "is the argument account_id once more, with another value",
            "expected": "",
            "got": "2",
        }
    ]


def test_all_faults_are_reported_at_once():
    with pytest.raises(ArgumentsInvalid) as caught:
        SCHEMA.bind({"stokNum": "1", "price": "-1", "category": "bug", "items": [{"stockNum": 5, "targt_price": 1}]})
    assert caught.value.extras() == {
        "errors": [
            {"path": "account_id", "message": "is required", "expected": "integer", "got": "nothing"},
            {
                "path": "stock_num",
                "message": "is required",
                "expected": "text, characters at most 12",
                "got": "nothing",
            },
            {"path": "price", "message": "must be greater than 0", "expected": "decimal number, above 0", "got": "-1"},
            {
                "path": "category",
                "message": "must be 'bug_report' or 'general'",
                "expected": "one of bug_report, general",
                "got": '"bug"',
                "suggestion": "bug_report",
            },
            {
                "path": "items.0.stock_num",
                "message": 'must be text: write "5" in quotes; codes keep their leading zeros',
                "expected": "text",
                "got": "5",
            },
            {
                "path": "items.0.targt_price",
                "message": "is not an argument of this skill",
                "expected": "",
                "got": "1",
                "suggestion": "target_price",
            },
            {
                "path": "stokNum",
                "message": "is not an argument of this skill",
                "expected": "",
                "got": '"1"',
                "suggestion": "stock_num",
            },
        ]
    }


def test_nested_dataclasses_limits_and_comma_lists():
    bound = SCHEMA.bind(
        {
            "account_id": 1,
            "stock_num": "1",
            "days": "20261119,2026-11-20",
            "items": [{"stockNum": "000001", "target_price": 12}],
            "extra": {"a": "1"},
        }
    )
    assert bound["days"] == [date(2026, 11, 19), date(2026, 11, 20)]
    assert bound["items"] == [Item("000001", Decimal(12))]
    assert bound["extra"] == {"a": 1}
    assert faults(items=[{"stock_num": "1"}] * 3)[0]["path"] == "items"
    assert [fault["path"] for fault in faults(extra={"a": True}, days=["x"], is_test=0)] == [
        "days.0",
        "is_test",
        "extra.a",
    ]
    assert faults(items="x")[0]["path"] == "items"
    assert faults(items=["x"])[0]["path"] == "items.0"


async def loose(ctx, *, value: str | int | Decimal | bool | list[str | int] | None, asset_id: int | str = 1) -> Outcome:
    """X."""


@pytest.mark.parametrize("value", ["000878", 878, Decimal("1.5"), True, ["002", 5], None, "a,b"])
def test_a_value_of_several_types_keeps_its_own(value):
    schema = declare(loose)
    bound = schema.bind({"value": value, "asset_id": "42"})
    assert (bound["value"], type(bound["value"])) == (value, type(value))
    assert bound["asset_id"] == 42
    assert schema.bind({"value": None, "asset_id": "stock_day"})["asset_id"] == "stock_day"


def test_a_value_of_none_of_several_types_is_one_fault():
    with pytest.raises(ArgumentsInvalid) as caught:
        declare(loose).bind({"value": None, "asset_id": [1]})
    assert [fault.as_dict() for fault in caught.value.faults] == [
        {"path": "asset_id", "message": "must be integer or text", "expected": "integer or text", "got": "list"}
    ]


def test_a_secret_is_never_quoted_back():
    assert faults(password="hunter2")[0]["got"] == "(hidden)"
    assert SCHEMA.secrets == {"password"}


def test_input_schema_is_flat_exact_and_free_of_references():
    schema = SCHEMA.input_schema
    assert "$defs" not in schema
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["account_id", "stock_num"]
    assert schema["properties"]["stock_num"] == {
        "type": "string",
        "maxLength": 12,
        "description": "Bare code, as text.",
        "examples": ["000878"],
    }
    assert schema["properties"]["price"]["anyOf"][0] == {"type": "number", "exclusiveMinimum": 0}
    assert schema["properties"]["category"] == {
        "type": "string",
        "enum": ["bug_report", "general"],
        "default": "general",
    }
    assert schema["properties"]["items"]["items"]["required"] == ["stock_num"]
    assert schema["properties"]["items"]["maxItems"] == 2


def test_output_schema_is_an_object_in_camel_case():
    assert SCHEMA.output_schema == {
        "type": "object",
        "properties": {
            "totalPnl": {"type": "string", "format": "decimal"},
            "onDay": {"type": ["string", "null"], "format": "date"},
            "kinds": {"type": "array", "items": {"type": "string", "enum": ["bug_report", "general"]}},
        },
        "required": ["totalPnl", "onDay", "kinds"],
        "additionalProperties": False,
    }


def test_arguments_as_the_catalogue_lists_them():
    listed = {argument.name: argument for argument in SCHEMA.arguments}
    assert (listed["account_id"].location, listed["account_id"].example) == ("path", 7)
    assert listed["account_id"].aliases == ("accountId", "id")
    assert (listed["stock_num"].location, listed["stock_num"].type, listed["stock_num"].required) == (
        "body",
        "string",
        True,
    )
    assert listed["stock_num"].description == "Bare code, as text."
    assert (listed["price"].type, listed["days"].type, listed["is_test"].type) == ("string", "array", "boolean")


@given(st.permutations(["account_id", "stock_num", "price", "side"]), st.booleans(), st.booleans())
def test_canonical_form_ignores_order_spelling_and_omitted_defaults(order, camel_case, with_defaults):
    spelled = {"account_id": "accountId", "stock_num": "stockNum"} if camel_case else {}
    values = {"account_id": 2**60, "stock_num": "1", "price": Decimal("1.50"), "side": "BUY"}
    given_names = [name for name in order if with_defaults or name != "side"]
    bound = SCHEMA.bind({spelled.get(name, name): values[name] for name in given_names})
    assert SCHEMA.canonical(bound) == {
        "account_id": str(2**60),
        "stock_num": "1",
        **DEFAULTS,
        "price": "1.50",
        "category": "general",
    }


def declare(body, *, http="GET /x", **more):
    decorate = skill("bad.thing.get", tier=RiskTier.GREEN, http=http, title="t", title_zh="t", **more)
    return SkillSchema(getattr(decorate(body), ATTRIBUTE))


def test_declarations_that_cannot_work_stop_the_start():
    async def reserved(ctx, *, approval_id: str) -> Outcome:
        """X."""

    async def positional(ctx, name: str) -> Outcome:
        """X."""

    async def no_dataclass(ctx) -> list[str]:
        """X."""

    async def plain(ctx, *, name: str) -> Outcome:
        """X."""

    async def opaque(ctx) -> "Opaque":
        """X."""

    for body, more, words in [
        (reserved, {}, "may be named approvalId"),
        (positional, {}, "keyword-only"),
        (no_dataclass, {}, "must be a dataclass"),
        (plain, {"http": "GET /x/{other}"}, "names other"),
        (plain, {"aliases": {"code": "unknown"}}, "alias code"),
        (plain, {"aliases": {"confirm": "name"}}, "alias confirm"),
        (opaque, {}, "no place in a result"),
    ]:
        with pytest.raises(SkillDeclarationError, match=words):
            declare(body, **more)


@dataclass(frozen=True)
class Opaque:
    inner: complex
