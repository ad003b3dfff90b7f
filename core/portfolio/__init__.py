"""What a team holds: the ledger of facts and the figures folded from it."""
