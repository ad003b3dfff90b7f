"""What a question says plainly: its language, the codes, days, numbers and names in it. English and Chinese."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from core.llm.offline.days import read_days
from core.llm.offline.topics import spoken, vocabulary

_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_HAN_RUN: Final = re.compile(r"[\u4e00-\u9fff]{2,}")
_LONG_WORD: Final = re.compile(r"[a-z]{4,}")
_NUMBER: Final = re.compile(r"(?<![\d.])\d{1,9}(?![\d.%])")
_CODE: Final = re.compile(
    r"(?<![a-z0-9.])(?:(?:sh|sz|bj)?\d{6}(?:\.(?:sh|sz|bj))?|hk\d{5}|0?\d{4}\.hk|0\d{4})(?![a-z0-9])"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, taken apart. `rest` is the text in lower case without codes and days."""

    text: str
    rest: str
    is_chinese: bool
    codes: tuple[str, ...]
    days: tuple[date, ...]
    span: tuple[date, date] | None
    numbers: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The runs of Chinese that may name an instrument: what no known word and no filler covers."""
        left = self.rest
        for word in sorted({*vocabulary().meaningful, *vocabulary().fillers}, key=len, reverse=True):
            left = left.replace(word, " ") if _HAN.search(word) else left
        return tuple(_HAN_RUN.findall(left))

    @property
    def is_bare(self) -> bool:
        """Whether it holds codes or days and little else, so that only what was said before gives it a meaning."""
        has_detail = bool(self.codes or self.days or self.span)
        has_topic = spoken(vocabulary().topics, self.rest)
        return has_detail and not has_topic and not self.names and not _LONG_WORD.search(self.rest)


def read_question(text: str, today: date) -> Question:
    """Take a question apart. `today` gives relative days their meaning."""
    plain = " ".join(text.split())
    rest, days, span = read_days(plain.lower(), today)
    codes = [match.group().upper() for match in _CODE.finditer(rest)]
    rest = _CODE.sub(" ", rest)
    for name, code in vocabulary().indexes.items():
        if name in rest:
            codes.append(code)
            rest = rest.replace(name, " ")
    return Question(
        text=plain,
        rest=rest,
        is_chinese=bool(_HAN.search(plain)),
        codes=tuple(dict.fromkeys(codes)),
        days=days,
        span=span,
        numbers=tuple(int(found) for found in _NUMBER.findall(rest)),
    )
