"""The three questions asked before a body runs: may this caller, need a person agree, is trading halted."""

from core.access.model import Caller, CallerKind, Halt
from tools.errors import MissingScope, TradingHalted
from tools.registry import Registry
from tools.scopes import granted
from tools.skill import Skill

TOKENS_PAGE = "/tokens"


def check_scope(skill: Skill, caller: Caller, *, registry: Registry, base_url: str) -> None:
    """Raise `MissingScope` with everything the caller's user needs to put it right."""
    if granted(caller, skill):
        return
    is_anonymous = caller.kind is CallerKind.ANONYMOUS
    raise MissingScope(
        skill_id=skill.skill_id,
        required_scope=skill.scope,
        granted_scopes=sorted(caller.scopes),
        presets_granting_scope=registry.presets_granting(skill.scope),
        remediation_url=base_url + ("/login" if is_anonymous else TOKENS_PAGE),
        who="an anonymous caller" if is_anonymous else "this token",
        remedy="Sign in, or send a token." if is_anonymous else "A person can mint a token that has it.",
    )


def needs_person(skill: Skill) -> bool:
    """Return whether a person must approve each call, of tokens and of sessions alike."""
    return skill.needs_person


def check_halt(skill: Skill, halt: Halt | None) -> None:
    """Raise `TradingHalted` for a skill that places orders while the switch is on."""
    if skill.places_orders and halt is not None:
        raise TradingHalted(halt_reason=halt.reason or "no reason given")
