"""Imports every module that declares tables, so that the metadata is complete."""

import importlib
import pkgutil

import core


def import_every_table() -> None:
    """Import each `store` module below core."""
    for module in pkgutil.walk_packages(core.__path__, "core."):
        if module.name.endswith(".store") or module.name.endswith("_store"):
            importlib.import_module(module.name)
