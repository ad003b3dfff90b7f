"""Schema revisions. `HEAD_REVISION` lets a start compare without importing alembic; a test holds it to the scripts."""

from typing import Final

HEAD_REVISION: Final = "0006"
