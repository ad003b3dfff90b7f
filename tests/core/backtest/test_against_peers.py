"""Other libraries fill at the next open and take a commission: the equity of every bar agrees.

`./dev bench --peers` installs them into an environment of its own; without that there is nothing to ask.
"""

import pytest

from benchmarks import engine_peers
from benchmarks.engine_callback import daily_rows


@pytest.mark.soak
@pytest.mark.parametrize("peer", list(engine_peers.PEERS))
def test_equity_of_every_bar(peer: str) -> None:
    if not engine_peers.is_installed(peer):
        pytest.skip(f"{peer} is not installed: ./dev bench --peers does that")
    bars = daily_rows()
    theirs, ours = engine_peers.run_peer(peer, bars), engine_peers.ours(bars)
    assert ours.metrics["num_trades"] > 50
    assert [row["equity"] for row in ours.equity_curve] == pytest.approx(theirs["equity"], rel=1e-6, abs=0)
