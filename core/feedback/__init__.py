"""What users tell us."""
