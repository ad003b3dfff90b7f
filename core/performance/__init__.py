"""Return, risk and benchmark figures: pure arithmetic over arrays."""
