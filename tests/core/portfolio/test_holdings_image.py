"""The PNG of holdings."""

import struct
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest

from core.market.model import Exchange, Provenance
from core.performance import images
from core.performance.images import ChartsMissing
from core.portfolio.holdings_image import MOST, draw, largest, title_of
from core.portfolio.model import AccountType, AssetClass, Holding, HoldingPage

pytest.importorskip("matplotlib")
META = Provenance(dataset="stock_day", as_of=date(2026, 11, 20), currency="CNY", simulated=True)


def holding(symbol: str, value: str | None, result: str = "1") -> Holding:
    """A holding with nothing but what the image shows."""
    hints = get_type_hints(Holding)
    plain: dict[str, Any] = {}
    for item in fields(Holding):
        kinds = get_args(hints[item.name]) or (hints[item.name],)
        plain[item.name] = None if NoneType in kinds else {int: 1, str: "x", bool: False}.get(kinds[0], Decimal(1))
    plain |= {"account_type": AccountType.REAL, "asset_class": AssetClass.STOCK, "market": Exchange.SSE}
    made = Holding(**plain)
    return replace(
        made,
        symbol=symbol,
        name="贵州$茅台",
        market_value_base=None if value is None else Decimal(value),
        weight=Decimal("0.5"),
        unrealized_pnl=Decimal(result),
        unrealized_pnl_ratio=Decimal("-0.01"),
    )


def page(*items: Holding, total: int | None = None) -> HoldingPage:
    return HoldingPage(items=items, total=total or len(items), limit=1000, offset=0, meta=META)


def test_the_image_grows_with_the_holdings() -> None:
    sizes = []
    for count in (0, 1, MOST + 5):
        content = draw(page(*(holding(f"{n:06}.SH", str(n + 1), str(n % 3 - 1)) for n in range(count))))
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        sizes.append(struct.unpack(">II", content[16:24]))
    assert sizes[0] == sizes[1]
    assert sizes[2][1] > sizes[1][1]


def test_the_largest_come_first_and_the_rest_is_counted() -> None:
    items = [holding(f"{n:06}.SH", str(n)) for n in range(MOST + 2)] + [holding("600000.SH", None)]
    shown = largest(items)
    assert [item.symbol for item in shown[:2]] == ["000016.SH", "000015.SH"]
    assert len(shown) == MOST
    assert title_of(page(*items, total=20)) == (
        "Holdings by market value 持仓市值 (CNY, 2026-11-20, 5 more)  SIMULATED 模拟数据"
    )


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "find_spec", lambda _: None)
    with pytest.raises(ChartsMissing, match=r"dingpan\[charts\]"):
        draw(page())
