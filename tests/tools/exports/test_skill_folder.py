import shlex
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
import yaml
from pydantic import Field

from core.errors import ErrorKind
from tools.context import Preview, SkillContext
from tools.exports.skill_folder import ExportRefused, export
from tools.registry import Registry
from tools.risk import RiskTier
from tools.skill import skill


@dataclass(frozen=True, slots=True)
class Answer:
    word: str


@skill(
    "feedback.submit",
    tier=RiskTier.YELLOW,
    http="POST /api/feedback",
    title="Send feedback",
    title_zh="提交反馈",
    gotchas=("Whole words only.",),
    aliases={"label_list": "tag_list"},
    example={"category": "bug_report", "text": "it's | broken", "tag_list": ["一", "b"], "count": 2},
)
async def submit(
    ctx: SkillContext,
    *,
    category: Annotated[str, Field(description="One of a|b,\nspelt out.")],
    text: str,
    tag_list: list[str] | None = None,
    count: int = 1,
) -> Answer:
    """Send one remark."""
    return Answer(text)


async def preview_revoke(ctx: SkillContext, *, token_id: str) -> Preview:
    return Preview("Revokes it.", [])


@skill(
    "subscription.token.revoke",
    tier=RiskTier.RED,
    http="DELETE /api/subscription/tokens/{token_id}",
    title="Revoke a token",
    title_zh="吊销令牌",
    preview=preview_revoke,
)
async def revoke(ctx: SkillContext, *, token_id: str) -> Answer:
    """Revoke one token."""
    return Answer(token_id)


@skill(
    "market.status", tier=RiskTier.GREEN, http="GET /api/market/status", title="Status", title_zh="状态", anonymous=True
)
async def status(ctx: SkillContext) -> Answer:
    """Say what data there is."""
    return Answer("")


@pytest.fixture
def registry():
    module = ModuleType("sample")
    module.first, module.second, module.third = submit, revoke, status
    return Registry.collect([module])


@pytest.fixture
def exported(registry, tmp_path):
    return export(registry, tmp_path, version="0.1.0")


def test_the_folder_holds_what_it_should_and_nothing_else(exported, tmp_path):
    files = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert files == {
        "SKILL.md",
        "references/feedback.md",
        "references/market.md",
        "references/subscription.md",
        "scripts/dingpan.sh",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["dingpan"]


def test_the_public_validator_accepts_it(exported):
    run = subprocess.run(
        [sys.executable, "-c", "from skills_ref.cli import main; main()", "validate", str(exported)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout + run.stderr) == (0, f"Valid skill: {exported}\n")


def test_the_front_matter_is_block_yaml_with_what_hosts_need(exported):
    text = (exported / "SKILL.md").read_text(encoding="utf-8")
    front = text.split("---")[1]
    assert "{" not in front
    read = yaml.safe_load(front)
    assert (read["name"], read["metadata"]["version"]) == ("dingpan", "0.1.0")
    assert 1 <= len(read["description"]) <= 1024
    host = read["metadata"]["openclaw"]
    assert host["requires"] == {"env": ["LG_AGENT_TOKEN", "LG_AGENT_BASE_URL"], "bins": ["curl"]}
    assert (host["primaryEnv"], host["emoji"]) == ("LG_AGENT_TOKEN", "📈")
    assert text.count("\n") < 500


def test_every_variable_of_the_script_is_declared(exported):
    script = (exported / "scripts/dingpan.sh").read_text(encoding="utf-8")
    front = yaml.safe_load((exported / "SKILL.md").read_text(encoding="utf-8").split("---")[1])["metadata"]["openclaw"]
    declared = set(front["requires"]["env"]) | {each["name"] for each in front["envVars"]}
    used = {word for word in script.replace("{", " ").replace(":", " ").split() if word.startswith("LG_AGENT_")}
    assert {word.strip("}'\"=,;") for word in used} == declared


def test_a_page_describes_arguments_and_shows_a_call_that_a_shell_reads(exported):
    page = (exported / "references/feedback.md").read_text(encoding="utf-8")
    assert page.startswith("# feedback\n\n## 🟡 feedback.submit\n\n**Send feedback** (提交反馈). Send one remark.\n")
    assert "`POST /api/feedback`, scope `feedback.submit`, yellow.\n" in page
    assert "- Note: Whole words only.\n" in page
    assert "| `category` | string | yes | One of a\\|b, spelt out. |\n" in page
    assert "| `tag_list` | array | no | Also written label_list. |\n" in page
    assert "| `count` | integer | no |  |\n" in page
    command = page.partition("```sh\n")[2].partition("\n```")[0]
    assert shlex.split(command) == [
        "scripts/dingpan.sh",
        "exec",
        "feedback.submit",
        "category=bug_report",
        "text=it's | broken",
        'tag_list:=["一", "b"]',
        "count:=2",
    ]


def test_pages_say_who_must_approve_and_what_needs_no_token(exported):
    assert "red. A person must approve each call.\n" in (exported / "references/subscription.md").read_text("utf-8")
    market = (exported / "references/market.md").read_text("utf-8")
    assert "green. Runs without a token.\n\nNo arguments.\n" in market


def test_the_script_can_be_run(exported):
    assert stat.S_IMODE((exported / "scripts/dingpan.sh").stat().st_mode) == 0o755


def test_exporting_again_replaces_the_whole_folder(exported, registry, tmp_path):
    (exported / "references/old.md").write_text("stale")
    (tmp_path / ".dingpan.part").mkdir()
    assert export(registry, tmp_path, version="0.2.0") == exported
    assert not (exported / "references/old.md").exists()
    assert 'version: "0.2.0"' in (exported / "SKILL.md").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["dingpan"]


def test_exports_of_one_registry_are_equal(registry, tmp_path):
    def read(folder: Path):
        made = export(registry, folder, version="1")
        return {path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()}

    assert read(tmp_path / "a") == read(tmp_path / "b")


@pytest.mark.parametrize("content", ["SKILL.md", "photo.jpg"])
def test_what_is_no_export_is_left_alone(registry, tmp_path, content):
    (tmp_path / "dingpan").mkdir()
    (tmp_path / "dingpan" / content).write_text("mine")
    with pytest.raises(ExportRefused) as caught:
        export(registry, tmp_path, version="1")
    assert caught.value.kind is ErrorKind.NOT_POSSIBLE
    assert (tmp_path / "dingpan" / content).read_text() == "mine"


def test_a_file_in_the_way_is_left_alone(registry, tmp_path):
    (tmp_path / "dingpan").write_text("mine")
    with pytest.raises(ExportRefused, match="in the way"):
        export(registry, tmp_path, version="1")


def test_a_document_too_long_is_refused_before_anything_is_written(tmp_path):
    module = ModuleType("many")
    for number in range(500):
        declared = skill(
            f"many.skill{number}.get", tier=RiskTier.GREEN, http=f"GET /api/many/{number}", title="M", title_zh="多"
        )

        async def body(ctx: SkillContext) -> Answer:
            """Do one of many things."""
            return Answer("")

        setattr(module, f"skill{number}", declared(body))
    with pytest.raises(ExportRefused, match="fewer than 500"):
        export(Registry.collect([module]), tmp_path, version="1")
    assert list(tmp_path.iterdir()) == []
