"""The resources and prompts of the suite."""

import json
import re
from typing import Any

from mcp import types

from tests.support.conformance.fixture_questions import ask, form
from tests.support.conformance.fixture_tools import PNG, embedded, image, text

RESOURCES = (
    types.Resource(uri="test://static-text", name="static-text", mime_type="text/plain"),
    types.Resource(uri="test://static-binary", name="static-binary", mime_type="image/png"),
    types.Resource(uri="test://watched-resource", name="watched-resource", mime_type="text/plain"),
)
TEMPLATES = (
    types.ResourceTemplate(
        uri_template="test://template/{id}/data", name="template-data", mime_type="application/json"
    ),
)
TEXTS = {
    "test://static-text": "This is the content of the static text resource.",
    "test://watched-resource": "This is the content of the watched resource.",
}


def argument(name: str) -> types.PromptArgument:
    return types.PromptArgument(name=name, description=f"The {name} of the prompt.", required=True)


PROMPTS = (
    types.Prompt(name="test_simple_prompt", description="A prompt without arguments."),
    types.Prompt(
        name="test_prompt_with_arguments",
        description="A prompt with arguments.",
        arguments=[argument("arg1"), argument("arg2")],
    ),
    types.Prompt(
        name="test_prompt_with_embedded_resource",
        description="A prompt that carries a resource.",
        arguments=[argument("resourceUri")],
    ),
    types.Prompt(name="test_prompt_with_image", description="A prompt that carries an image."),
    types.Prompt(name="test_input_required_result_prompt", description="A prompt that needs an answer first."),
)


def read(uri: str) -> types.ReadResourceResult | None:
    """Read a fixture; None for what is none."""
    templated = re.fullmatch(r"test://template/([^/]+)/data", uri)
    contents: types.TextResourceContents | types.BlobResourceContents
    if templated:
        data = {"id": templated[1], "templateTest": True, "data": f"Data for ID: {templated[1]}"}
        contents = types.TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(data))
    elif uri == "test://static-binary":
        contents = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
    elif uri in TEXTS:
        contents = types.TextResourceContents(uri=uri, mime_type="text/plain", text=TEXTS[uri])
    else:
        return None
    return types.ReadResourceResult(contents=[contents], ttl_ms=1000, cache_scope="private")


def prompt(params: types.GetPromptRequestParams) -> types.GetPromptResult | types.InputRequiredResult | None:
    """Fill in a fixture prompt; None for what is none."""
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return messages(text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            return messages(text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"))
        case "test_prompt_with_embedded_resource":
            resource = embedded(given["resourceUri"], "Embedded resource content for testing.")
            return messages(resource, text("Please process the embedded resource above."))
        case "test_prompt_with_image":
            return messages(image(), text("Please analyze the image above."))
        case "test_input_required_result_prompt":
            if "user_context" in (params.input_responses or {}):
                return messages(text("The context is known."))
            return ask({"user_context": form("What context?", context="string")})
    return None


def messages(*contents: Any) -> types.GetPromptResult:
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content) for content in contents])
