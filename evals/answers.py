"""Tool answers in the one shape scenarios speak of, whatever door they came through.

A success is `{"status": 200, "data": ..., "meta": {...}}`; a refusal is the problem body, whose `status` and `code` say
what it is. `data` is the whole result without its provenance, which is `meta`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from evals.problems import EvalsNotInstalled, ScriptProblem
from tools.context import SkillResult
from tools.exports.meta_tools import CALL
from tools.registry import Registry
from tools.skill import EVERY_FIELD
from tools.wire import camel

OK = 200


def document_of_result(result: SkillResult) -> dict[str, Any]:
    """Return the document of a result that came straight from the dispatcher."""
    return document_of_structured("", result.value)


def document_of_structured(tool: str, structured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of structured content; what `skills_call` wraps is unwrapped."""
    value = structured.get("result", structured) if tool == CALL else structured
    if not isinstance(value, Mapping) or not isinstance(value.get("meta"), Mapping):
        return {"status": OK, "data": value, "meta": {}}
    rest = {name: item for name, item in value.items() if name != "meta"}
    return {"status": OK, "data": rest, "meta": dict(value["meta"])}


def document_of_rest(registry: Registry, skill_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of an answer in REST's envelope."""
    if body.get("success") is False:
        return dict(body)
    skill, data = registry.find(skill_id), body.get("data")
    if skill is not None and skill.unwrap not in {None, EVERY_FIELD}:
        known = {"success", "data", "message", "meta", "traceId"}
        data = {camel(str(skill.unwrap)): data} | {name: item for name, item in body.items() if name not in known}
    return {"status": OK, "data": data, "meta": dict(body.get("meta") or {})}


def found_at(path: str, document: Any) -> list[Any]:
    """Return every value a JSONPath leads to. Raises `ScriptProblem` for a path that cannot be read."""
    return [match.value for match in _parsed(path).find(document)]


def save_variables(wanted: Mapping[str, str], document: Any, variables: dict[str, Any]) -> None:
    """Take variables out of an answer. Raises `ScriptProblem` where a path leads nowhere."""
    for name, path in wanted.items():
        found = found_at(path, document)
        if not found:
            raise ScriptProblem(reason=f"save {name}: nothing at {path} in {document}"[:600])
        variables[name] = found[0]


@lru_cache(maxsize=2048)
def _parsed(path: str) -> Any:
    try:
        from jsonpath_ng.ext.parser import parse  # noqa: PLC0415 - part of the extra
    except ImportError as error:
        raise EvalsNotInstalled(package="jsonpath-ng", extra="evals") from error
    try:
        return parse(path)
    except Exception as error:
        raise ScriptProblem(reason=f"no JSONPath: {path!r}: {error}") from error
