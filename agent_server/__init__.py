"""The doors: REST, pages and the command line."""
