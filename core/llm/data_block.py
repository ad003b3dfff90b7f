"""What tools answer goes to a model inside a block that marks it as data.

The block's marker is random and belongs to one conversation, so that a text from a statement, a web page or another
user cannot close the block and go on as if it were the desk. That a model heeds the block is not what the desk's safety
rests on: rights are checked by the dispatcher, whatever a model was talked into.
"""

import re
from typing import Final

MARKER_BITS: Final = 80
LONGEST_NAME: Final = 64
BLOCK: Final = re.compile(r"\[data (\S+) from [^\]\n]*\]\n(.*?)\n\[end of data \1\]", re.DOTALL)


def mark(text: str, *, marker: str, source: str) -> str:
    """Return the text as a block of data. A marker that the text itself contains is taken out of it."""
    name = re.sub(r"[^\w.-]", "_", source)[:LONGEST_NAME]
    inner = text.replace(marker, "(marker)")
    return f"[data {marker} from {name}]\n{inner}\n[end of data {marker}]"


def unmark(text: str) -> str:
    """Return what stands inside the first block; a text without a block as it is."""
    found = BLOCK.search(text)
    return found[2] if found is not None else text
