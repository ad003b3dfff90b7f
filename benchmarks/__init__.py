"""Measurements, a script per figure. Run with `./dev bench`; nothing here is asserted in tests."""
