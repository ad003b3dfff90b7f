"""Conversations with the desk: what was said, asked and answered, kept as it happens."""
