"""The `dingpan` command, and `python -m agent_server`. The only place that reads the environment."""

import os
import sys


def main() -> None:
    """Run the command line.

    The working directory leaves the import path first: a folder `tools` or `core` there must not win over ours.
    """
    os.umask(0o077)  # keys, database and prices are for the desk's owner, whatever the folder they are put in allows
    here = os.getcwd()  # noqa: PTH109 - pathlib is not worth its import time here
    sys.path[:] = [entry for entry in sys.path if entry not in {"", here} or _holds_us(entry or here)]
    from agent_server.cli.main import run  # noqa: PLC0415 - after the path is safe

    run(os.environ)


def _holds_us(folder: str) -> bool:
    """Tell whether this package itself was found through the folder: a checkout, run in place."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == folder  # noqa: PTH100, PTH120


if __name__ == "__main__":
    main()
