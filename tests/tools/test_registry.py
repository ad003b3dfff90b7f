"""Collecting, finding, suggesting, searching, the catalogue, scopes and presets."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.access.model import Caller, CallerKind
from tests.support import sample_skills
from tests.support.sample_skills import JarDone, preview_ring, sample_registry
from tools.registry import Registry
from tools.risk import RiskTier
from tools.scopes import granted, resolve_presets
from tools.skill import ATTRIBUTE, SkillDeclarationError, skill

REGISTRY = sample_registry()
NOBODY = Caller(kind=CallerKind.ANONYMOUS)
PERSON = Caller(kind=CallerKind.SESSION, user_id=1, team_id=1, all_scopes=True)


def test_skills_are_sorted_and_found_under_both_names():
    ids = [item.skill_id for item in REGISTRY]
    assert ids == sorted(ids)
    assert len(REGISTRY) == 8
    assert REGISTRY.find("sample.jar.list") is REGISTRY.find("sample_jar_list")
    assert REGISTRY.find("sample.jar") is None
    assert REGISTRY.find("Sample.Jar.List") is None


def make(skill_id="bad.thing.get", *, http="GET /bad", tier=RiskTier.GREEN, **more):
    async def body(ctx) -> JarDone:
        """Do it."""

    return skill(skill_id, tier=tier, http=http, title="t", title_zh="t", **more)(body)


@pytest.mark.parametrize(
    ("bodies", "words"),
    [
        ([make(), make(http="GET /other")], "share the name bad.thing.get"),
        ([make("bad.thing_x.get"), make("bad.thing.x_get", http="GET /o")], "share the name bad_thing_x_get"),
        ([make("bad." + "a" * 45)], "longer than 48"),
        ([make(), make("bad.other.get")], r"share GET /bad"),
        ([make(asset_class="stock"), make("bad.other.get", asset_class="stock")], r"share GET /bad"),
        ([make(asset_class="stock"), make("bad.other.get")], r"share GET /bad"),
        ([make(http="GET /a/{b}/c")], "names b"),
        ([make(anonymous=True, tier=RiskTier.YELLOW)], "anonymous and not green"),
        ([make(unwrap="nothing")], "no field nothing"),
    ],
)
def test_what_stops_the_start(bodies, words):
    modules = [SimpleNamespace(body=body) for body in bodies]
    with pytest.raises(SkillDeclarationError, match=words):
        Registry.collect(modules)


def test_a_red_skill_without_preview_stops_the_start():
    with pytest.raises(SkillDeclarationError, match="no preview"):
        make(tier=RiskTier.RED)
    declared = getattr(make(tier=RiskTier.RED, preview=preview_ring), ATTRIBUTE)
    with pytest.raises(SkillDeclarationError, match="no preview"):
        Registry([replace(declared, preview=None)])


def test_routes_of_different_parameter_names_collide():
    declared = getattr(sample_skills.jar_break, ATTRIBUTE)
    other = replace(declared, skill_id="sample.jar.smash", path="/api/jars/{count}")
    with pytest.raises(SkillDeclarationError, match="collides with"):
        Registry([declared, other])


def test_one_skill_seen_in_two_modules_is_one_and_asset_classes_share_a_route():
    body = make(asset_class="stock")
    other = make("bad.other.get", asset_class="fund")
    registry = Registry.collect([SimpleNamespace(a=body, b=other), SimpleNamespace(a=body)])
    assert [item.skill_id for item in registry.routes["GET", "/bad"]] == ["bad.other.get", "bad.thing.get"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("sample.jars.list", "sample.jar.list"),
        ("sample_jar_lst", "sample.jar.list"),
        ("SAMPLE.JAR.BREAK", "sample.jar.break"),
    ],
)
def test_suggestions(text, first):
    assert REGISTRY.suggest(text)[0] == first
    assert len(REGISTRY.suggest(text)) <= 3


def test_nothing_is_suggested_for_nonsense():
    assert REGISTRY.suggest("qqqqqq") == []
    assert REGISTRY.suggest("") == []


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("break", "sample.jar.break"),
        ("打碎", "sample.jar.break"),
        ("cupboard", "sample.jar.list"),
        ("ring a bell", "sample.bell.ring"),
    ],
)
def test_search_in_english_and_chinese(text, first):
    assert REGISTRY.search(text)[0].skill_id == first


def test_search_without_words_or_matches_is_empty():
    assert REGISTRY.search("!?") == []
    assert REGISTRY.search("zzz") == []


def test_a_catalogue_entry_whole():
    caller = Caller(kind=CallerKind.TOKEN, token_id=1, team_id=1, scopes=frozenset({"sample.jar.list"}))
    entry = REGISTRY.catalogue_entry(REGISTRY.find("sample.jar.break"), caller)
    assert entry.pop("inputSchema")["required"] == ["name"]
    assert entry.pop("outputSchema")["required"] == ["name", "run", "price"]
    assert entry.pop("params")[:2] == [
        {"name": "name", "in": "path", "required": True, "type": "string", "description": ""},
        {"name": "force", "in": "query", "required": False, "type": "boolean", "description": ""},
    ]
    assert json.loads(entry.pop("exampleInvocation")) == {"skillId": "sample.jar.break", "params": {"name": "<string>"}}
    assert entry == {
        "skillId": "sample.jar.break",
        "title": "Break a jar",
        "titleZh": "打碎罐子",
        "description": "Break a jar.",
        "method": "DELETE",
        "path": "/api/jars/{name}",
        "risk": "red",
        "riskEmoji": "🔴",
        "confirmRequired": True,
        "scope": "sample.jar.break",
        "granted": False,
        "presetsGrantingScope": ["desk"],
    }
    listed = REGISTRY.catalogue_entry(REGISTRY.find("sample.jar.list"), caller)
    assert listed["granted"] is True
    assert "presetsGrantingScope" not in listed
    assert listed["description"] == 'List the jars. Use it for "what is in the cupboard".'


def test_catalogue_filters():
    def ids(caller=PERSON, **filters):
        return [entry["skillId"] for entry in REGISTRY.catalogue(caller, **filters)]

    assert len(ids()) == 8
    assert ids(NOBODY, granted_only=True) == ["sample.notice.get"]
    assert ids(skill_id="sample_jar_list") == ["sample.jar.list"]
    assert ids(skill_id="nothing") == []
    assert ids(q="break") == ["sample.jar.break"]
    assert ids(preset="read-data") == []
    assert len(ids(preset="desk")) == 8


def test_granted():
    listing = REGISTRY.find("sample.jar.list")
    assert granted(PERSON, listing)
    assert not granted(NOBODY, listing)
    assert granted(NOBODY, REGISTRY.find("sample.notice.get"))
    assert not granted(Caller(kind=CallerKind.TOKEN, token_id=1), listing)
    assert granted(Caller(kind=CallerKind.TOKEN, token_id=1), replace(listing, scope="auth.token.introspect"))


def test_presets_hold_only_what_exists():
    listing = REGISTRY.find("sample.jar.list")
    ids = (
        "dataasset.list",
        "dashboard.get",
        "investment.stock.portfolio.pnl.get",
        "investment.stock.trading.create",
        "market.bars.get",
        "investment.stock.recommendation.list",
    )
    resolved = resolve_presets([replace(listing, skill_id=name, scope=name) for name in ids])
    assert {preset.preset_id: preset.scopes for preset in resolved} == {
        "read-data": ("dataasset.list", "market.bars.get"),
        "read-dashboard": ("dashboard.get", "dataasset.list", "market.bars.get"),
        "portfolio": ("investment.stock.portfolio.pnl.get", "investment.stock.trading.create"),
        "desk": tuple(sorted(ids)),
    }
    assert REGISTRY.default_scopes == ()


def test_reserved_scopes_are_in_no_preset():
    listing = REGISTRY.find("sample.jar.list")
    skills = [listing, replace(listing, skill_id="paper.order.create", scope="paper.orders.write")]
    assert [preset.scopes for preset in resolve_presets(skills)] == [("sample.jar.list",)]


def test_every_contract_can_be_compiled_at_once():
    registry = sample_registry()
    registry.compile_all()
    assert all("_adapter" in vars(registry.schema(item)) for item in registry)
