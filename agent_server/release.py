"""Which release this is."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

NAME: Final = "dingpan"


def release() -> str:
    """Return the version of this release, as installed."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "0.0.0"
