"""The text that Sina and Tencent answer with: one JavaScript assignment per code, in GBK."""

import re
from typing import Final

from core.market.providers.figures import Malformed

ASSIGNMENT: Final = re.compile(r'(?:var )?(?:hq_str_|v_)(\w+)="([^"]*)";?')


def assignments(body: bytes, *, separator: str) -> dict[str, list[str]]:
    """Return the fields per code of `v_code="a~b";` or `var hq_str_code="a,b";`; an unknown code has no fields.

    Raises `Malformed` for lines of any other shape and `UnicodeDecodeError` for bytes that are not GBK.
    """
    found: dict[str, list[str]] = {}
    for line in body.decode("gb18030").splitlines():
        if not line.strip():
            continue
        match = ASSIGNMENT.fullmatch(line.strip())
        if match is None:
            raise Malformed(f"no quote line: {line[:40]!r}")
        found[match[1]] = match[2].split(separator) if match[2] else []
    return found


def at(fields: list[str], place: int, code: str) -> str:
    """Return one field of a line. Raises `Malformed` when the line is cut short."""
    if place >= len(fields):
        raise Malformed(f"{code}: the line ends after {len(fields)} fields")
    return fields[place]
