"""What every benchmark shares: repeat, take the median, hold it beside a reference of the same run, print JSON."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured figure. `ratio` says how many times better than the reference: more is better."""

    row: str
    median: float
    unit: str
    target: float
    reference: float | None = None
    ratio: float | None = None
    samples: list[float] = field(default_factory=list)
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def duration(
    name: str,
    work: Callable[[], object],
    *,
    target: float,
    unit: str = "s",
    repeat: int = 5,
    warm: int = 1,
    reference: Callable[[], object] | None = None,
    note: str = "",
) -> Row:
    """Measure seconds (or milliseconds, by `unit`), with the reference measured in turn with the work."""
    scale = {"s": 1.0, "ms": 1000.0}[unit]
    for _ in range(warm):
        work()
    samples, references = [], []
    for _ in range(repeat):
        samples.append(timed(work) * scale)
        if reference is not None:
            references.append(timed(reference) * scale)
    return summarise(name, samples, unit=unit, target=target, references=references, note=note)


def summarise(
    name: str, samples: list[float], *, unit: str, target: float, references: list[float] | None = None, note: str = ""
) -> Row:
    """Make a row of samples taken elsewhere."""
    median = statistics.median(samples)
    reference = statistics.median(references) if references else None
    is_duration = unit in {"s", "ms"}
    ratio = None
    if reference:
        ratio = round(reference / median if is_duration else median / reference, 3)
    return Row(
        row=name,
        median=round(median, 4),
        unit=unit,
        target=target,
        reference=None if reference is None else round(reference, 4),
        ratio=ratio,
        samples=[round(sample, 4) for sample in samples],
        note=note,
    )
