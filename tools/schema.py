"""A skill's signature as a contract: argument model, JSON Schemas, binding of raw parameters.

The model is made once; binding a call is one pass of pydantic's compiled validator.
"""

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache, cached_property
from typing import Annotated, Any, Final, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo

from core.errors import ArgumentsInvalid
from tools.argument_types import describing, markers, tighten
from tools.faults import faults_of, respell
from tools.output_schema import output_schema
from tools.redaction import Secret
from tools.skill import EVERY_FIELD, RESERVED_ARGUMENTS, Skill, SkillBody, SkillDeclarationError
from tools.wire import camel, to_wire

JSON_INTEGER_LIMIT: Final = 2**53
"""Integers from here on are text in canonical JSON, which knows binary floating point only."""
_PREFIX: Final = "argument_"
"""Begins the attribute names of argument models, so that no argument shadows a method of pydantic's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument as the catalogue lists it. `location` is path, query or body; `type` a type of JSON Schema."""

    name: str
    location: str
    required: bool
    type: str
    description: str
    example: Any
    aliases: tuple[str, ...]


class SkillSchema:
    """The contract of one skill. Made by `Registry.collect`.

    What a wrong declaration can break is checked at once. The model and the JSON Schemas of the arguments are made on
    first use: pydantic takes about ten milliseconds for each skill, which a start should not wait for.
    """

    def __init__(self, skill: Skill) -> None:
        self.skill = skill
        self._declared = _parameters(skill.body, skill.skill_id)
        self._check_names(self._declared)
        self.spellings = _spellings(self._declared, skill.aliases)
        self.secrets = frozenset(name for name, (kind, _) in self._declared.items() if markers(kind, Secret))
        self.output_schema = _output(skill)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments under their own names, without references."""
        return _tidy(self._adapter.json_schema(by_alias=True))

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments as the catalogue lists them."""
        return tuple(self._argument(name, kind, default) for name, (kind, default) in self._declared.items())

    @cached_property
    def _adapter(self) -> TypeAdapter[BaseModel]:
        return TypeAdapter(_model(self.skill.skill_id, self._declared, self.spellings))

    def compile(self) -> None:
        """Make model and schemas now. Raises pydantic's errors for annotations it cannot read."""
        _ = self._adapter, self.arguments

    def bind(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body's keyword arguments, with defaults filled in.

        Raises `ArgumentsInvalid` with every fault: unknown keys with a suggestion, missing ones, wrong values, and one
        argument given under two spellings with different values.
        """
        try:
            model = self._adapter.validate_python(dict(params))
        except ValidationError as error:
            raise ArgumentsInvalid(faults_of(error, schema=self.input_schema, secrets=self.secrets)) from None
        skip = len(_PREFIX)
        return {name[skip:]: value for name, value in model.__dict__.items()}

    def canonical(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return bound arguments in the form that an approval's hash covers; decimals and large integers as text."""
        return {name: _canonical(to_wire(value)) for name, value in arguments.items()}

    def _check_names(self, declared: Mapping[str, Any]) -> None:
        reserved = {spelling for name in declared for spelling in (name, camel(name))} & RESERVED_ARGUMENTS
        if reserved:
            raise SkillDeclarationError(f"{self.skill.skill_id}: no argument may be named {min(reserved)}")
        for alias, name in self.skill.aliases.items():
            if name not in declared or alias in RESERVED_ARGUMENTS:
                raise SkillDeclarationError(f"{self.skill.skill_id}: the alias {alias} of {name} cannot be used")
        missing = [name for name in self.skill.path_arguments if name not in declared]
        if missing:
            raise SkillDeclarationError(f"{self.skill.skill_id}: the path names {missing[0]}, which is no argument")

    def _argument(self, name: str, annotation: Any, default: Any) -> Argument:
        about = describing(annotation)
        shape = self.input_schema["properties"][name]
        examples = about.examples if about is not None and about.examples else []
        in_body = self.skill.method in {"POST", "PUT", "PATCH"}
        location = "path" if name in self.skill.path_arguments else "body" if in_body else "query"
        return Argument(
            name=name,
            location=location,
            required=default is inspect.Parameter.empty,
            type=_json_type(shape),
            description=(about.description or "") if about is not None else "",
            example=self.skill.example.get(name, to_wire(examples[0]) if examples else None),
            aliases=tuple(spelling for spelling, target in self.spellings.items() if target == name != spelling),
        )


def _parameters(body: SkillBody, skill_id: str) -> dict[str, tuple[Any, Any]]:
    """Return name -> (annotation, default or `Parameter.empty`) of the keyword-only parameters."""
    hints = get_type_hints(body, include_extras=True)
    _, *rest = inspect.signature(body).parameters.values()
    for parameter in rest:
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or parameter.name not in hints:
            raise SkillDeclarationError(f"{skill_id}: {parameter.name} must be keyword-only and annotated")
    return {parameter.name: (hints[parameter.name], parameter.default) for parameter in rest}


def _spellings(names: Mapping[str, Any], aliases: Mapping[str, str]) -> dict[str, str]:
    """Return every accepted key and the argument it means: the name, its camel case, the declared aliases."""
    spellings = {name: name for name in names} | {camel(name): name for name in names}
    for alias, name in aliases.items():
        for spelling in (alias, camel(alias)):
            if spellings.setdefault(spelling, name) != name:
                raise SkillDeclarationError(f"the alias {spelling} already means {spellings[spelling]}")
    return spellings


def _model(title: str, declared: Mapping[str, tuple[Any, Any]], spellings: Mapping[str, str]) -> Any:
    """Make a model whose attributes are prefixed and whose aliases are the argument names."""
    members: dict[str, Any] = {}
    for name, (annotation, default) in declared.items():
        about = describing(annotation) or FieldInfo()
        given = {} if default is inspect.Parameter.empty else {"default": default}
        info = Field(alias=name, description=about.description, examples=about.examples, **given)
        members[_PREFIX + name] = (tighten(annotation, nested=_nested), info)
    model = create_model(title, __config__=ConfigDict(extra="forbid"), **members)
    return Annotated[
        model, BeforeValidator(lambda given: respell(given, spellings) if isinstance(given, dict) else given)
    ]


@cache
def _nested(kind: type) -> Any:
    """Return the annotation that reads a dataclass: its model, then the dataclass itself."""
    hints = get_type_hints(kind, include_extras=True)
    declared: dict[str, tuple[Any, Any]] = {}
    for item in fields(kind):
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        declared[item.name] = (hints[item.name], inspect.Parameter.empty if default is MISSING else default)
    skip = len(_PREFIX)

    def construct(model: BaseModel) -> Any:
        return kind(**{name[skip:]: value for name, value in model.__dict__.items()})

    return Annotated[_model(kind.__name__, declared, _spellings(declared, {})), AfterValidator(construct)]


def _output(skill: Skill) -> dict[str, Any]:
    try:
        schema = output_schema(get_type_hints(skill.body, include_extras=True).get("return"))
    except SkillDeclarationError as error:
        raise SkillDeclarationError(f"{skill.skill_id}: {error}") from error
    if skill.unwrap not in {None, EVERY_FIELD} and camel(str(skill.unwrap)) not in schema["properties"]:
        raise SkillDeclarationError(f"{skill.skill_id}: the result has no field {skill.unwrap} to unwrap")
    return schema


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Write references out and drop the titles pydantic makes from names: shorter, and valid inside any document."""
    definitions = schema.pop("$defs", {})

    def tidy(value: Any, *, names: bool = False) -> Any:
        if isinstance(value, list):
            return [tidy(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value and not names:
            named = definitions[value["$ref"].rpartition("/")[2]]
            return tidy(named) | {key: tidy(item) for key, item in value.items() if key != "$ref"}
        kept = value if names else {key: item for key, item in value.items() if key != "title"}
        return {key: tidy(item, names=not names and key == "properties") for key, item in kept.items()}

    tidied: dict[str, Any] = tidy(schema)
    return tidied


def _json_type(shape: Mapping[str, Any]) -> str:
    """Return the JSON type of a property; of a decimal, which may also be a number, `string`."""
    branches = [branch for branch in shape.get("anyOf", ()) if branch.get("type") != "null"]
    if not branches:
        return str(shape.get("type", "any"))
    kinds = {_json_type(branch) for branch in branches}
    return "string" if "string" in kinds else min(kinds)


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= JSON_INTEGER_LIMIT:
        return str(value)
    return value
