"""The import contracts name what is there, and ARCHITECTURE.md draws what they say."""

import importlib.util
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = {
    entry["id"]: entry
    for entry in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


def storeys() -> list[list[str]]:
    return [re.findall(r"[a-z_]+", layer) for layer in CONTRACTS["core-storeys"]["layers"]]


def test_storeys_of_the_contract_are_those_of_the_drawing() -> None:
    drawing = re.search(r"```\nbootstrap.*?```", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert drawing is not None
    lines = [line.split("  ")[0] for line in drawing[0].strip("`\n").splitlines()]
    assert [re.findall(r"[a-z_]+", line) for line in lines] == storeys()


def test_rooms_in_parentheses_are_not_built_and_the_others_are() -> None:
    for layer in CONTRACTS["core-storeys"]["layers"]:
        for room in re.findall(r"\(?[a-z_]+\)?", layer):
            built = importlib.util.find_spec(f"core.{room.strip('()')}") is not None
            assert built is not room.startswith("("), f"core.{room}"


def test_modules_named_in_contracts_exist() -> None:
    for contract in CONTRACTS.values():
        for key in ("source_modules", "modules", "allowed_importers"):
            for module in contract.get(key, []):
                if "*" not in module:
                    assert importlib.util.find_spec(module) is not None, f"{contract['id']}: {module}"
