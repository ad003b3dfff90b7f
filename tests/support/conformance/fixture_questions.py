"""The tools of the suite that need more from the client before they answer (2026-07-28: the call is sent again)."""

from typing import Any

from mcp import types

from tests.support.conformance.fixture_tools import Answer, Body, Context, FixtureTool, result, text

Questions = dict[str, Any]


def form(message: str, **properties: str) -> types.ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(words: str) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=text(words))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=100))


def ask(questions: Questions, state: str | None = None) -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests=questions, request_state=state)


def once(answer: str, **questions: Any) -> Body:
    """Make a body that asks these questions and answers when every one of them came back."""

    async def body(_: Context, params: types.CallToolRequestParams) -> Answer:
        replies = params.input_responses or {}
        return result(text(answer)) if set(questions) <= set(replies) else ask(questions)

    return body


async def greets(_: Context, params: types.CallToolRequestParams) -> Answer:
    replies = params.input_responses or {}
    if "user_name" not in replies:
        return ask({"user_name": form("What is your name?", name="string")})
    return result(text(f"Hello, {(replies['user_name'].content or {}).get('name')}!"))


async def keeps_state(_: Context, params: types.CallToolRequestParams) -> Answer:
    if "confirm" in (params.input_responses or {}) and params.request_state == "nonce":
        return result(text("state-ok: confirmed"))
    return ask({"confirm": form("Please confirm", ok="boolean")}, "nonce")


async def guards_state(_: Context, params: types.CallToolRequestParams) -> Answer:
    """The seal around the state is the server's; a changed one never gets here."""
    if params.request_state is None:
        return ask({"confirm": form("Please confirm", ok="boolean")}, "round-1")
    return result(text("state-ok"))


async def several_inputs(_: Context, params: types.CallToolRequestParams) -> Answer:
    questions = {"user_name": form("Name?", name="string"), "greeting": sample("Greet me."), "client_roots": roots()}
    if len(params.input_responses or {}) >= len(questions):
        return result(text("All inputs received."))
    return ask(questions, "several")


async def several_rounds(_: Context, params: types.CallToolRequestParams) -> Answer:
    replies = params.input_responses or {}
    if params.request_state == "second" and "step2" in replies:
        return result(text("Both rounds done."))
    if params.request_state == "first" and "step1" in replies:
        return ask({"step2": form("Step 2: favourite colour?", color="string")}, "second")
    return ask({"step1": form("Step 1: name?", name="string")}, "first")


async def asks_what_the_client_can(ctx: Context, _: types.CallToolRequestParams) -> Answer:
    able = ctx.session.client_capabilities
    questions: Questions = {}
    if able is None or able.sampling is not None:
        questions["sample"] = sample("Say hello.")
    if able is None or able.elicitation is not None:
        questions["ask"] = form("Name?", name="string")
    return ask(questions, "capabilities")


def roots() -> types.ListRootsRequest:
    return types.ListRootsRequest()


def asking_tools() -> tuple[FixtureTool, ...]:
    """Every fixture that returns a question first."""
    bodies: dict[str, Body] = {
        "elicitation": greets,
        "sampling": once("Model said: Paris", capital_question=sample("What is the capital of France?")),
        "list_roots": once("Roots received.", client_roots=roots()),
        "request_state": keeps_state,
        "multiple_inputs": several_inputs,
        "multi_round": several_rounds,
        "tampered_state": guards_state,
        "capabilities": asks_what_the_client_can,
    }
    streaming = once("Thank you.", name=form("Name?", name="string"))
    return (
        *(FixtureTool(f"test_input_required_result_{name}", body) for name, body in bodies.items()),
        FixtureTool("test_streaming_elicitation", streaming),
    )
