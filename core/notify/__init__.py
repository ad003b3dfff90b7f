"""Telling people outside the desk that it waits for them."""
