"""Adapters for live sources of market data."""
