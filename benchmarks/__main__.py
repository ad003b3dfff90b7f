"""`./dev bench [ROW ...] [--json] [--peers]`: run the named rows, or all of them.

`--peers` installs other libraries into an environment of their own first, and runs their rows.

A benchmark is a module of this package with `rows() -> dict[str, Callable[[], Row]]`; packages hold other things.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable

import benchmarks
from benchmarks import engine_peers
from benchmarks.harness import Row


def every_row() -> dict[str, Callable[[], Row]]:
    found: dict[str, Callable[[], Row]] = {}
    for module in pkgutil.iter_modules(benchmarks.__path__, "benchmarks."):
        if not module.ispkg and not module.name.endswith((".harness", ".__main__")):
            found |= importlib.import_module(module.name).rows()
    return found


def main() -> None:
    if "--peers" in sys.argv:
        for failure in engine_peers.install():
            print(failure, file=sys.stderr)
    rows = every_row()
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("row", nargs="*", help=f"any of: {', '.join(rows)}")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.add_argument("--peers", action="store_true", help="compare with other libraries, installed apart")
    arguments = parser.parse_args()
    if arguments.peers and not arguments.row:
        arguments.row = [name for name in rows if name.startswith("peers_")]
        if not arguments.row:
            parser.exit(1, "no peer could be installed; every other row runs without them\n")
    unknown = sorted(set(arguments.row) - set(rows))
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(rows)}")
    results = []
    for name in arguments.row or rows:
        result = rows[name]()
        results.append(result.as_dict())
        if not arguments.json:
            beside = "" if result.ratio is None else f", {result.ratio} x reference {result.reference}"
            print(f"{name:24} {result.median:12.4f} {result.unit:8} target {result.target}{beside}  {result.note}")
    if arguments.json:
        print(json.dumps(results, indent=1))


main()
