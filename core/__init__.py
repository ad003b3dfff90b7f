"""The trading domain. It knows nothing of skills, HTTP or chat."""
