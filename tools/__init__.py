"""The machinery that turns typed functions into skills; the skills themselves are in skills/."""
