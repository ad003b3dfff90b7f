"""The security master in memory: every spelling of a code, code changes, names and ST spells by day, search."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from core.errors import Invalid
from core.market.instruments_spelling import CODE_LENGTH, HK_CODE_LENGTH, Spelling, fold, read_spelling
from core.market.model import CodeChange, Instrument, InstrumentKind, Spell

KIND_ORDER: Final = {InstrumentKind.STOCK: 0, InstrumentKind.FUND: 1, InstrumentKind.INDEX: 2}
SUGGESTIONS: Final = 5


class InstrumentNotFound(Invalid):
    """No instrument is known under what was given."""

    code = "unknown_instrument"
    template = "No instrument {given!r} is known.{hint}"
    shown = ("did_you_mean",)


class CodeZerosLost(Invalid):
    """A code without its leading zeros, as spreadsheets leave it. It is never completed silently."""

    code = "code_zeros_lost"
    template = "{given!r} has lost its leading zeros. Write {full_text}, as text."
    shown = ("did_you_mean",)


@dataclass(frozen=True, slots=True)
class SecurityMaster:
    """What is known of all instruments. Made by `build`; never changed."""

    by_symbol: Mapping[str, Instrument]
    changes: Mapping[str, CodeChange]
    names: Mapping[str, Sequence[Spell]] = field(repr=False)
    st_spells: Mapping[str, Sequence[Spell]] = field(repr=False)
    by_code: Mapping[str, Sequence[Instrument]] = field(repr=False)
    former_symbols: Mapping[str, Sequence[str]] = field(repr=False)
    haystack: Sequence[tuple[Instrument, str, tuple[str, ...]]] = field(repr=False)

    @classmethod
    def build(
        cls,
        instruments: Iterable[Instrument],
        *,
        changes: Iterable[CodeChange] = (),
        names: Iterable[Spell] = (),
        st_spells: Iterable[Spell] = (),
    ) -> "SecurityMaster":
        """Index the rows of the master. Spells under a former symbol count for the present one."""
        by_symbol = {entry.symbol: entry for entry in instruments}
        by_old = {change.old_symbol: change for change in changes}
        by_code: dict[str, list[Instrument]] = defaultdict(list)
        for entry in sorted(by_symbol.values(), key=lambda one: (KIND_ORDER[one.kind], one.symbol)):
            by_code[entry.code].append(entry)
        former: dict[str, list[str]] = defaultdict(list)
        for change in sorted(by_old.values(), key=lambda one: one.effective_date):
            former[_follow(by_old, change.old_symbol)].append(change.old_symbol)
        grouped = _by_symbol(names, by_old)
        haystack = [
            (entry, fold(entry.name), _former_names(grouped.get(symbol, ()))) for symbol, entry in by_symbol.items()
        ]
        return cls(by_symbol, by_old, grouped, _by_symbol(st_spells, by_old), by_code, former, haystack)

    def resolve(self, given: str, *, kind: InstrumentKind | None = None, day: date | None = None) -> Instrument:
        """Find the instrument that a code means.

        A code in use wins over the same code given up by another instrument, unless `day` lies before that change. A
        bare code that several share means the stock, unless `kind` is given. Raises `InstrumentNotFound` and
        `CodeZerosLost`.
        """
        spelling = read_spelling(given)
        found = self._candidates(spelling, day) if spelling else []
        for instrument in found:
            if kind in {None, instrument.kind}:
                return instrument
        if spelling and (completed := self._completed(spelling, kind, anywhere=True)):
            symbols = [entry.symbol for entry in completed]
            raise CodeZerosLost(given=given, full_text=" or ".join(map(repr, symbols)), did_you_mean=symbols)
        raise self._not_found(given, spelling)

    def restore(self, given: str) -> Instrument:
        """Find the instrument of a code that may have lost its leading zeros. Raises `InstrumentNotFound`.

        Statements are of mainland brokers: a mainland stock wins over a Hong Kong one of the same digits.
        """
        spelling = read_spelling(given)
        completed = self._completed(spelling, None) if spelling else []
        return completed[0] if completed else self.resolve(given)

    def current_symbol(self, symbol: str) -> str:
        """Return the symbol valid today of an instrument named by any symbol it ever had."""
        return _follow(self.changes, symbol) if symbol not in self.by_symbol else symbol

    def all_symbols(self, symbol: str) -> list[str]:
        """Return the present symbol and, oldest first behind it, the ones before."""
        current = self.current_symbol(symbol)
        return [current, *self.former_symbols.get(current, ())]

    def symbol_on(self, symbol: str, day: date) -> str:
        """Return the symbol under which an instrument traded on `day`."""
        current = self.current_symbol(symbol)
        for old in self.former_symbols.get(current, ()):
            if day < self.changes[old].effective_date:
                return old
        return current

    def name_on(self, symbol: str, day: date) -> str:
        """Return the name on `day`: that of the spell, or in a gap the one before; today's after the last known day."""
        current = self.current_symbol(symbol)
        spells = self.names.get(current, ())
        place = bisect_right(spells, day, key=lambda spell: spell.first_date)
        known = self.by_symbol[current].name if current in self.by_symbol else symbol
        if not spells or (place == len(spells) and (last := spells[-1].last_date) is not None and day > last):
            return known
        return spells[max(place - 1, 0)].value

    def is_st_on(self, symbol: str, day: date) -> bool:
        """Say whether the share carried an ST mark on `day`, as far as the spells tell."""
        spells = self.st_spells.get(self.current_symbol(symbol), ())
        return any(spell.first_date <= day and (spell.last_date is None or day <= spell.last_date) for spell in spells)

    def search(self, text: str, *, limit: int) -> list[Instrument]:
        """Find instruments by code, by name or by a former name; the closest first, listed before delisted."""
        wanted = fold(text)
        spelling = read_spelling(text)
        digits = spelling.digits if spelling else wanted
        if not wanted:
            return []
        ranked = [
            (rank, entry.delist_date is not None, KIND_ORDER[entry.kind], entry.symbol, entry)
            for entry, name, former in self.haystack
            if (rank := _rank(wanted, digits, entry, names=(name, former))) is not None
        ]
        found = [row[-1] for row in sorted(ranked, key=lambda row: row[:-1])]
        exact = self._candidates(spelling, None)
        return list({entry.symbol: entry for entry in (*exact, *found)}.values())[:limit]

    def _candidates(self, spelling: Spelling | None, day: date | None) -> list[Instrument]:
        """Return the instruments a spelling can mean, likeliest first."""
        if spelling is None:
            return []
        symbols = [spelling.symbol] if spelling.symbol else self._symbols_of_code(spelling)
        found = []
        for symbol in symbols:
            change = self.changes.get(symbol)
            superseded = change is not None and (symbol not in self.by_symbol or (day and day < change.effective_date))
            entry = self.by_symbol.get(_follow(self.changes, symbol) if superseded else symbol)
            found += [entry] if entry else []
        return found

    def _symbols_of_code(self, spelling: Spelling) -> list[str]:
        if spelling.exchange is not None or len(spelling.digits) not in {CODE_LENGTH, HK_CODE_LENGTH}:
            return []
        present = [entry.symbol for entry in self.by_code.get(spelling.digits, ())]
        return [*present, *(old for old in (f"{spelling.digits}.BJ",) if old in self.changes)]

    def _completed(
        self, spelling: Spelling, kind: InstrumentKind | None, *, anywhere: bool = False
    ) -> list[Instrument]:
        """Return what a code too short could be with its zeros back; `anywhere`: of other exchanges if need be."""
        lengths = (spelling.length,) if spelling.exchange else (CODE_LENGTH, HK_CODE_LENGTH)
        codes = [spelling.digits.zfill(length) for length in lengths if len(spelling.digits) < length]
        found = [entry for code in codes for entry in self.by_code.get(code, ()) if kind in {None, entry.kind}]
        here = [entry for entry in found if spelling.exchange in {None, entry.exchange}]
        return here or (found if anywhere else [])

    def _not_found(self, given: str, spelling: Spelling | None) -> InstrumentNotFound:
        if not self.by_symbol:
            return InstrumentNotFound(given=given, hint=" No market data has been imported yet.", did_you_mean=[])
        near = self._near(spelling.digits) if spelling else self.search(given, limit=SUGGESTIONS)
        symbols = [entry.symbol for entry in near][:SUGGESTIONS]
        seek = " market.instrument.search finds instruments by part of a code or a name."
        hint = f" Did you mean {', '.join(symbols)}?" if symbols else seek
        return InstrumentNotFound(given=given, hint=hint, did_you_mean=symbols)

    def _near(self, digits: str) -> list[Instrument]:
        """Return instruments whose code is the same elsewhere, or differs in one digit or one swap of neighbours."""
        swapped = (
            digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :] for place in range(len(digits) - 1)
        )
        changed = (
            digits[:place] + other + digits[place + 1 :] for place in range(len(digits)) for other in "0123456789"
        )
        codes = dict.fromkeys((digits, *swapped, *changed))
        return [entry for code in codes for entry in self.by_code.get(code, ())]


def _follow(changes: Mapping[str, CodeChange], symbol: str) -> str:
    """Follow code changes to the symbol valid today. A circle ends where it began."""
    seen = {symbol}
    while (change := changes.get(symbol)) is not None and change.new_symbol not in seen:
        symbol = change.new_symbol
        seen.add(symbol)
    return symbol


def _by_symbol(spells: Iterable[Spell], changes: Mapping[str, CodeChange]) -> dict[str, list[Spell]]:
    grouped: dict[str, list[Spell]] = defaultdict(list)
    for spell in sorted(spells, key=lambda one: one.first_date):
        grouped[_follow(changes, spell.symbol)].append(spell)
    return grouped


def _former_names(spells: Sequence[Spell]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fold(spell.value) for spell in spells))


def _rank(wanted: str, digits: str, entry: Instrument, *, names: tuple[str, tuple[str, ...]]) -> int | None:
    """Say how close an instrument is to what was typed; smaller is closer, None is not at all."""
    name, former = names
    tests = (
        wanted in {entry.symbol, entry.code},
        wanted == name,
        digits.isdigit() and entry.code.startswith(digits),
        name.startswith(wanted),
        wanted in former,
        wanted in name,
        any(wanted in old for old in former),
        digits.isdigit() and digits in entry.code,
    )
    return next((rank for rank, passed in enumerate(tests) if passed), None)
