"""Language models behind one port: what is asked of a model, what streams back, and its errors."""
