"""Database session, unit of work, migrations."""
