"""The JSON Schema of scenarios, for editors and for authors without this project's code."""

from typing import Any, Final

from evals.model import SCHEMA, Scenario

FILE: Final = "agent-eval-1.schema.json"


def scenario_schema() -> dict[str, Any]:
    """Return it, as `evals/agent-eval-1.schema.json` holds it."""
    described = Scenario.model_json_schema(by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:dingpan:{SCHEMA}"}
    return head | described
