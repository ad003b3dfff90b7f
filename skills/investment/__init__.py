"""Holdings, trades and recommendations."""
