"""Strategies that come with the desk: each a small object to run, and an example to copy."""
