"""Data assets: what there is, its schema, its metadata and how it is read."""
