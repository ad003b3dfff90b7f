"""Wires everything: makes each long-lived object once. Nothing below may import it."""

from dataclasses import dataclass

from core.clock import Clock
from core.ids import IdSource
from core.settings import Settings
from core.storage.database import Database


@dataclass(frozen=True, slots=True)
class Services:
    """Every long-lived object of a desk, one attribute per domain."""

    settings: Settings
    clock: Clock
    ids: IdSource
    database: Database
