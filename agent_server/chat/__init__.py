"""The chat: a model between a person and the dispatcher."""
