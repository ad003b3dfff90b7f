"""What was advised, per instrument, append-only."""
