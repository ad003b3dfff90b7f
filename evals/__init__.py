"""Conversations played against the real chat loop."""
