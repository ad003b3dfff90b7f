"""Holdings, trades, recommendations and backtests."""
