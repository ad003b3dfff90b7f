"""A stand-in for a model where none is configured: finds the reading tool a question means and quotes its figures."""
