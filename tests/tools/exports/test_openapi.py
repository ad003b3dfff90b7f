"""The OpenAPI document: one operation per route, the schemas that requests are validated with."""

import pytest

from tests.support.sample_skills import sample_registry
from tools.exports.openapi import document
from tools.names import wire_name
from tools.skill import SkillDeclarationError

REGISTRY = sample_registry()
DOCUMENT = document(REGISTRY, base_url="https://desk.example", version="1.2.3")


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_head_and_paths():
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["servers"] == [{"url": "https://desk.example"}]
    assert {(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods} == {
        ("post", "/agent/skills/execute"),
        *((item.method.lower(), item.path) for item in REGISTRY),
    }


def test_every_reference_resolves():
    for reference in set(references(DOCUMENT)):
        here = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            here = here[step]


def test_a_red_delete():
    operation = DOCUMENT["paths"]["/api/jars/{name}"]["delete"]
    assert operation["operationId"] == "sample_jar_break"
    assert [(parameter["name"], parameter["in"], parameter["required"]) for parameter in operation["parameters"]] == [
        ("name", "path", True),
        ("force", "query", False),
        ("weight", "query", False),
        ("count", "query", False),
        ("approvalId", "query", False),
        ("Idempotency-Key", "header", False),
    ]
    assert "requestBody" not in operation
    assert set(operation["responses"]) == {"200", "400", "401", "403", "404", "409", "422", "429", "500", "503"}
    assert (operation["x-risk"], operation["x-confirm-required"]) == ("red", True)


def test_a_body_holds_what_is_not_in_the_path_and_the_steering_keys():
    seal = DOCUMENT["paths"]["/api/jars/{name}/seal"]["post"]["requestBody"]
    assert seal["required"] is False
    assert set(seal["content"]["application/json"]["schema"]["properties"]) == {"idempotencyKey", "approvalId"}
    create = DOCUMENT["paths"]["/api/jars"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert create["required"] == ["name"]
    assert create["additionalProperties"] is False
    assert set(create["properties"]) == {"name", "pin", "idempotencyKey"}


def test_an_unwrapped_result_stands_beside_its_data():
    answer = DOCUMENT["paths"]["/api/jars"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["properties"]["data"] == {"type": "array", "items": {"type": "string"}}
    assert answer["properties"]["total"] == {"type": "integer"}
    assert answer["properties"]["meta"]["properties"]["simulated"] == {"type": "boolean"}
    assert "jarNames" not in answer["properties"]


def test_wire_names():
    assert wire_name("schedule.job.delete") == "schedule_job_delete"
    assert wire_name("investment.stock.portfolio.nav_history.benchmarks.list") == "investment_stock_nav_benchmarks_list"
    with pytest.raises(SkillDeclarationError, match="longer than 48"):
        wire_name("a." + "b" * 47)
