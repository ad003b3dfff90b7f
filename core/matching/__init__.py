"""Market and money rules as compiled integer functions: every driver, the paper broker and previews call these."""
