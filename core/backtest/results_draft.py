"""From what a run returned to what is kept of it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.backtest.results import ResultDraft


def draft_of(
    result: Mapping[str, Any],
    *,
    name: str,
    tags: Sequence[str] = (),
    program_group: str | None = None,
    strategy: str = "",
) -> ResultDraft:
    """Return a draft of `BacktestResult.to_dict()`.

    Parameters are kept as plain JSON values; the size of an order, which is a word, a part or a number, as text.
    """
    metrics, parameters = dict(result["metrics"]), json.loads(json.dumps(result["parameters"], default=str))
    asset = parameters.get("asset")
    return ResultDraft(
        name=name,
        metrics=metrics,
        equity_curve=result["equity_curve"],
        trades=result["trades"],
        orders=[_order(order) for order in result.get("orders", ())],
        benchmark=result.get("benchmark", ()),
        parameters=parameters,
        undefined=result.get("undefined", {}),
        tags=tags,
        program_group=program_group,
        strategy=strategy,
        dataset="" if asset is None else str(asset),
        simulated=bool(result.get("simulated", False)),
        fingerprint=str(metrics.get("fingerprint", "")),
        warnings=tuple(result.get("warnings", ())),
    )


def _order(order: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**order, "size": str(order["size"])} if "size" in order else order
