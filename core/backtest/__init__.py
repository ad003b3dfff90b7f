"""The backtest engine: one set of rules, drivers that agree to the cent."""
