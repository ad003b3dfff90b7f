"""The vocabulary is true: its names exist, and the words it rejects are not used."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path for package in ("core", "tools", "skills", "agent_server", "evals") for path in (ROOT / package).rglob("*.py")
]
ADAPTERS = (
    "core/market/providers/",
    "core/market/importers/",
    "core/portfolio/statements",
    "core/catalog/",
    "core/backtest/stock_day.py",
    "skills/",
)


def rows() -> list[list[str]]:
    lines = (ROOT / "core" / "VOCABULARY.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in table if row[0] != "term" and not set(row[0]) <= {"-"}]


def test_every_code_name_exists_in_its_package() -> None:
    missing = []
    for term, _, code, package, *_ in rows():
        text = "\n".join(path.read_text() for path in (ROOT / package.replace(".", "/")).rglob("*.py"))
        for part in code.strip("`").split("."):
            if not re.search(rf"\b{re.escape(part)}\b", text):
                missing.append(f"{term}: {code} in {package}")
    assert missing == []


def test_rejected_words_are_not_identifiers() -> None:
    rejected = {word.strip() for row in rows() for word in re.sub(r"\(.*?\)", "", row[5]).split(",")}
    found = []
    for path in SOURCES:
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith(ADAPTERS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            identifier = getattr(node, "id", None) or getattr(node, "arg", None) or getattr(node, "name", None)
            if isinstance(identifier, str) and identifier in rejected:
                found.append(f"{relative}: {identifier}")
    assert found == []
