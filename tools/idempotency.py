"""One key, one effect: whether a repeated call gets the stored answer, a refusal, or runs."""

from typing import Any

from tools.errors import IdempotencyConflict, IdempotencyUnfinished
from tools.idempotency_store import StoredAnswer


def answer_for(stored: StoredAnswer | None, *, key: str, params_hash: str) -> dict[str, Any] | None:
    """Return the stored answer in wire form; None when the key is new and the call shall run.

    Raises `IdempotencyConflict` when the key belongs to another call, `IdempotencyUnfinished` when the call has begun
    and left no answer.
    """
    if stored is None:
        return None
    if stored.params_hash != params_hash:
        raise IdempotencyConflict(key=key, idempotency_key=key)
    if stored.answer is None:
        raise IdempotencyUnfinished(key=key, idempotency_key=key)
    return stored.answer
