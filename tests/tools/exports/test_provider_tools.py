"""The compilers of tool schemas: every skill within every provider's limits, and what strict mode writes read back."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skills
from core.errors import ErrorKind
from core.llm.strict_schema import NotStrict, dropped_nulls, strict_form
from tools.exports import anthropic_tools, openai_tools
from tools.exports.anthropic_tools import anthropic_tool
from tools.exports.openai_tools import openai_tool
from tools.exports.provider_limits import ToolsUnfit, check_tools, tool_entries
from tools.registry import Registry


@pytest.fixture(scope="module")
def registry():
    return Registry.collect(skills.modules())


@pytest.fixture(scope="module")
def entries(registry):
    return {entry.name: entry for entry in tool_entries(registry)}


@pytest.mark.parametrize("client", ["openai:m", "anthropic:m", "offline", "scripted"])
def test_every_skill_and_meta_tool_fits_every_provider(registry, client):
    check_tools(registry, client)


def test_every_skill_is_checked_and_the_meta_tools_too(registry, entries):
    assert len(entries) == len(registry.skills) + 3
    assert {"skills_search", "skills_describe", "skills_call"} < set(entries)


def test_all_but_tools_with_free_keys_are_strict(entries):
    loose = {name for name, entry in entries.items() if not openai_tool(entry)["strict"]}
    assert "skills_call" in loose
    assert len(loose) < len(entries) / 4


def test_a_tool_is_told_to_each_provider_in_its_own_form(entries):
    entry = entries["market_quote_get"]
    assert openai_tool(entry) == {
        "type": "function",
        "name": "market_quote_get",
        "description": entry.description,
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {
                "symbols": entry.input_schema["properties"]["symbols"],
                "as_of": {
                    "type": ["string", "null"],
                    "format": "date",
                    "description": "Last price at or before this day; today when left out.",
                },
            },
            "required": ["symbols", "as_of"],
            "additionalProperties": False,
        },
    }
    assert anthropic_tool(entry) == {
        "name": "market_quote_get",
        "description": entry.description,
        "input_schema": entry.input_schema,
    }


def nested(levels):
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    for _ in range(levels - 1):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": False}
    return schema


ONE = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("change", "openai", "anthropic"),
    [
        ({"name": "market.quote"}, "its name market.quote", "its name market.quote"),
        ({"name": "a" * 65}, "its name", "its name"),
        ({"description": "x" * 1025}, "characters of description 1025, allowed 1024", ""),
        ({"input_schema": nested(11)}, "levels of its schema 11, allowed 10", ""),
        ({"input_schema": {"type": "array"}}, "the root of its schema array", "the root of its schema array"),
        (
            {"input_schema": ONE | {"anyOf": [ONE]}},
            "at the root of its schema anyOf",
            "at the root of its schema anyOf",
        ),
        ({"input_schema": {"type": "object", "properties": {"价格": {}}}}, "", "the property 价格"),
        (
            {"input_schema": ONE | {"properties": {"a": {"enum": [str(n) for n in range(1001)]}}}},
            "values of closed lists 1001, allowed 1000",
            "",
        ),
    ],
)
def test_a_broken_limit_is_named_with_what_is_allowed(entries, change, openai, anthropic):
    entry = replace(entries["market_quote_get"], **change)
    for faults, expected in ((openai_tools.faults, openai), (anthropic_tools.faults, anthropic)):
        found = "; ".join(map(str, faults(entry)))
        assert (expected in found) if expected else found == ""


def test_a_skill_that_breaks_a_limit_stops_the_start(registry, monkeypatch):
    monkeypatch.setattr(openai_tools, "LONGEST_DESCRIPTION", 100)
    with pytest.raises(ToolsUnfit) as caught:
        check_tools(registry, "openai:gpt")
    assert caught.value.kind is ErrorKind.INTERNAL
    assert "market_quote_get: characters of description" in caught.value.message
    check_tools(registry, "anthropic:m")


# Schemas as skills have them: plain values, lists, objects, closed lists, unions of plain values.
PLAIN = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": "number"},
        {"type": "boolean"},
        {"enum": ["a", "b"], "type": "string"},
        {"type": "string", "format": "date", "maxLength": 10},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 7},
        {"type": ["integer", "null"]},
    ]
)


def objects(children):
    def build(properties):
        named = {name: shape for name, (shape, _) in properties.items()}
        required = [name for name, (_, is_required) in properties.items() if is_required]
        return {"type": "object", "properties": named, "required": required, "additionalProperties": False}

    return st.dictionaries(st.sampled_from("abcdef"), st.tuples(children, st.booleans()), max_size=4).map(build)


def unions(children):
    lists = children.map(lambda items: {"type": "array", "items": items})
    return st.tuples(objects(children), lists).map(lambda pair: {"anyOf": [*pair, {"type": "string"}]})


SHAPES = st.recursive(
    PLAIN,
    lambda children: st.one_of(
        children.map(lambda items: {"type": "array", "items": items, "maxItems": 3}),
        objects(children),
        unions(children),
    ),
    max_leaves=8,
)


@st.composite
def values(draw, schema):
    """Draw a value that is valid under a schema."""
    if "anyOf" in schema:
        return draw(values(draw(st.sampled_from(schema["anyOf"]))))
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    kind = schema["type"] if isinstance(schema["type"], str) else draw(st.sampled_from(schema["type"]))
    if kind == "object":
        required = schema["required"]
        names = [name for name in schema["properties"] if name in required or draw(st.booleans())]
        return {name: draw(values(schema["properties"][name])) for name in names}
    if kind == "array":
        return draw(st.lists(values(schema["items"]), max_size=3))
    plain = {"string": st.text(max_size=5), "integer": st.integers(), "number": st.floats(allow_nan=False)}
    return draw(plain.get(kind, st.booleans() if kind == "boolean" else st.none()))


def written_strictly(schema, value):
    """Return the value as a model would write it under the strict form: every property, null for what is left out."""
    if isinstance(value, dict):
        shape = schema if "properties" in schema else next(m for m in schema["anyOf"] if m.get("type") == "object")
        return {
            name: written_strictly(part, value[name]) if name in value else default_of(part)
            for name, part in shape["properties"].items()
        }
    if isinstance(value, list):
        shape = schema if "items" in schema else next(m for m in schema["anyOf"] if m.get("type") == "array")
        return [written_strictly(shape["items"], item) for item in value]
    return value


def allows_null(schema):
    members = schema.get("anyOf", [schema])
    return any("null" in (m["type"] if isinstance(m.get("type"), list) else [m.get("type")]) for m in members)


def default_of(schema):
    """Return what stands for "left out": null, or the default itself where null means something else."""
    return schema["default"] if allows_null(schema) and schema.get("default") is not None else None


def as_meant(schema, value):
    """Return the value as the skill reads it: a null that only means "left out" is left out."""
    if isinstance(value, dict):
        shape = schema if "properties" in schema else next(m for m in schema["anyOf"] if m.get("type") == "object")
        meant = {}
        for name, part in shape["properties"].items():
            given = value.get(name, default_of(part))
            if given is None and name not in shape["required"] and default_of(part) is None:
                continue
            meant[name] = as_meant(part, given)
        return meant
    if isinstance(value, list):
        shape = schema if "items" in schema else next(m for m in schema["anyOf"] if m.get("type") == "array")
        return [as_meant(shape["items"], item) for item in value]
    return value


def is_valid(schema, value):
    """Check a value against a strict form: a small validator, written apart from the compiler."""
    if "anyOf" in schema:
        return any(is_valid(member, value) for member in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, dict):
        names = set(schema.get("properties", ()))
        return (
            "object" in kinds
            and set(value) == names
            and set(schema["required"]) == names
            and all(is_valid(schema["properties"][name], item) for name, item in value.items())
        )
    if isinstance(value, list):
        return "array" in kinds and all(is_valid(schema["items"], item) for item in value)
    kind = {str: "string", int: "integer", float: "number", type(None): "null"}[type(value)]
    return kind in kinds or (kind == "integer" and "number" in kinds)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), schema=objects(SHAPES))
def test_any_value_a_skill_accepts_survives_strict_mode(data, schema):
    value = data.draw(values(schema))
    try:
        form = strict_form(schema)
    except NotStrict:
        return
    written = written_strictly(schema, value)
    assert is_valid(form, written)
    assert dropped_nulls(schema, written) == as_meant(schema, value)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"type": "array"},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"anyOf": [nested(1), nested(2)]},
        {"anyOf": [{"anyOf": [{"type": "string"}]}]},
        {"allOf": [{"type": "string"}]},
        {"type": "object", "patternProperties": {"a": {}}, "additionalProperties": False},
        {"$ref": "#/$defs/a"},
    ],
)
def test_what_has_no_strict_form_is_never_made_one(shape):
    with pytest.raises(NotStrict):
        strict_form({"type": "object", "properties": {"a": shape}, "additionalProperties": False})


def test_what_strict_mode_cannot_say_is_said_in_words():
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 9, "default": "x", "description": "A name.", "title": "Name"},
            "on": {"type": "boolean", "default": False},
        },
        "additionalProperties": False,
    }
    assert strict_form(schema)["properties"] == {
        "name": {"type": ["string", "null"], "description": "A name. Default: x. At most 9 characters."},
        "on": {"type": ["boolean", "null"], "description": "Default: false."},
    }
