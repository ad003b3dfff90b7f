"""The three tiers of risk and what each asks of a caller."""

from enum import StrEnum


class RiskTier(StrEnum):
    """How much harm a skill can do.

    Green reads only. Yellow writes what can be undone. Red destroys, moves money or cannot be undone, and runs only
    after a person's approval.
    """

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"

    @property
    def emoji(self) -> str:
        """The coloured circle shown in catalogues."""
        return {"green": "🟢", "yellow": "🟡", "red": "🔴"}[self.value]


class Effect(StrEnum):
    """Where a skill's effect lands, which decides how an approval is consumed.

    A database effect and the consumption are one transaction. An external effect cannot be rolled back, so the approval
    is consumed first.
    """

    DATABASE = "database"
    EXTERNAL = "external"
