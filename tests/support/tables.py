"""Imports every module that declares tables, so that the metadata is complete."""

import importlib
import pkgutil

import core
import tools


def import_every_table() -> None:
    """Import each `store` module below core and tools."""
    packages = [*pkgutil.walk_packages(core.__path__, "core."), *pkgutil.iter_modules(tools.__path__, "tools.")]
    for module in packages:
        if module.name.endswith(".store") or module.name.endswith("_store"):
            importlib.import_module(module.name)
