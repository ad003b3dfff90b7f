"""Instruments, calendars, prices, rules and where they come from."""
