"""Both sample statements on the real events of the market: every figure of the expected answers, to the cent."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from core.market.model import CorporateAction
from core.portfolio.statements.model import RowOutcome
from tests.support.fake_market import FakeMarket
from tests.support.ledger_desk import LedgerDesk

pytestmark = pytest.mark.anyio
OPENING_CASH = Decimal("500000.00")


def real_market(folder: Path) -> FakeMarket:
    """Codes and events of the shared data behind the fake's interface; days are checked elsewhere."""
    master = parquet.read_table(folder / "security_master.parquet", columns=["symbol"])
    events = parquet.read_table(folder / "dividends.parquet", filters=[("is_a_share", "=", True)]).to_pylist()
    market = FakeMarket(symbols=[symbol for symbol in master["symbol"].to_pylist() if not symbol.endswith(".BJ")])
    market.corporate_actions = [action_of(row) for row in events]
    market.actions_until = max(item.ex_date for item in market.corporate_actions)
    return market


def action_of(row: dict[str, Any]) -> CorporateAction:
    names = ("cash_per_share", "bonus_per_share", "rights_per_share", "rights_price")
    figures = {name: Decimal(str(round(row[name], 7))) for name in names}
    return CorporateAction(symbol=row["symbol"], ex_date=row["ex_date"], **figures)


@pytest.fixture
def expected(shared_data: Path) -> Callable[[str], dict[str, Any]]:
    answers = json.loads((shared_data / "vendor_csv" / "broker_statement_expected.json").read_text())
    return lambda name: answers[name]


@pytest.mark.parametrize("name", ["broker_statement_flat_utf8.csv", "broker_statement_flow_gbk.csv"])
async def test_sample_statement_gives_the_expected_answers(
    desk: LedgerDesk, shared_data: Path, expected: Callable[[str], dict[str, Any]], name: str
) -> None:
    desk.market = real_market(shared_data)
    content, answers = (shared_data / "vendor_csv" / name).read_bytes(), expected(name)

    dry = await desk.statement(content, name=name, opening_cash=OPENING_CASH, dry_run=True)
    assert (await desk.pnl()).holdings == ()
    done = await desk.statement(content, name=name, opening_cash=OPENING_CASH)
    again = await desk.statement(content, name=name, opening_cash=OPENING_CASH)

    assert [line for line in dry.lines if line.outcome is RowOutcome.REFUSED] == []
    assert (dry.lines, dry.closing_cash, dry.written, done.written) == (done.lines, done.closing_cash, False, True)
    assert (str(done.closing_cash), str(done.fees), str(done.dividends)) == (
        answers["closing_cash"],
        answers["fees"],
        answers["dividends"],
    )
    assert (again.written, again.added, again.derived, again.closing_cash) == (False, 0, 0, done.closing_cash)

    report = await desk.pnl()
    open_items = [item for item in report.holdings if item.quantity]
    assert {item.symbol: {"qty": item.quantity, "cost": str(item.total_cost)} for item in open_items} == answers[
        "positions"
    ]
    assert {item.symbol: str(item.realized_pnl) for item in report.holdings if item.realized_pnl} == answers["realised"]
    total = sum(item.realized_pnl for item in report.holdings)
    assert total == sum(Decimal(figure) for figure in answers["realised"].values())
    # The expected total was rounded once, from unrounded parts; the ledger's total is the sum of its cents.
    assert abs(total - Decimal(answers["realised_total"])) <= Decimal("0.01")
    assert [str(item.amount) for item in report.cash] == [answers["closing_cash"]]
