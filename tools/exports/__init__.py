"""The registry in other people's formats."""
