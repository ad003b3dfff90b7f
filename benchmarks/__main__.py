"""`./dev bench [ROW ...] [--json]`: run the named rows, or all of them.

A benchmark is a module of this package with `rows() -> dict[str, Callable[[], Row]]`.
"""

import argparse
import importlib
import json
import pkgutil
from collections.abc import Callable

import benchmarks
from benchmarks.harness import Row


def every_row() -> dict[str, Callable[[], Row]]:
    found: dict[str, Callable[[], Row]] = {}
    for module in pkgutil.iter_modules(benchmarks.__path__, "benchmarks."):
        if not module.name.endswith((".harness", ".__main__")):
            found |= importlib.import_module(module.name).rows()
    return found


def main() -> None:
    rows = every_row()
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("row", nargs="*", help=f"any of: {', '.join(rows)}")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    arguments = parser.parse_args()
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
