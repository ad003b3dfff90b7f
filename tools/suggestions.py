"""The nearest known word to one that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

CUTOFF: Final = 0.6
"""The least similarity, as `difflib` counts it, that is still worth suggesting."""


def closest(word: str, candidates: Iterable[str], *, limit: int = 1, cutoff: float = CUTOFF) -> list[str]:
    """Return up to `limit` candidates like `word`, best first.

    The same letters in another case or without separators come first, then words that one is the beginning of, then
    what `difflib` finds alike.
    """
    known = list(dict.fromkeys(candidates))
    folded = {name: _fold(name) for name in known}
    wanted = _fold(word)
    if not wanted:
        return []
    same = [name for name in known if folded[name] == wanted]
    begun = [name for name in known if folded[name].startswith(wanted) or wanted.startswith(folded[name])]
    alike = get_close_matches(wanted, list(folded.values()), n=limit, cutoff=cutoff)
    similar = [name for text in alike for name in known if folded[name] == text]
    return list(dict.fromkeys([*same, *begun, *similar]))[:limit]


def _fold(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalnum())
