"""Short words for describing the routes that are no skills in the OpenAPI document."""

from typing import Any

PROBLEM: dict[str, Any] = {"$ref": "#/components/schemas/Problem"}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the failures a route may answer, each with the common body."""
    content = {"application/problem+json": {"schema": PROBLEM}}
    return {status: {"description": "Refused; the body says why", "content": content} for status in statuses}


def parameter(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    """Describe one optional query parameter."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def body_of(properties: dict[str, Any], *, required: list[str]) -> dict[str, Any]:
    """Describe a JSON body that is an object without further members."""
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
