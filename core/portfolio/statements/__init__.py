"""Broker statements: from a file of any known layout to facts of the ledger."""
