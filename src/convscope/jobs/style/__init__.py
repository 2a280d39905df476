"""Verbs for style transfer, and for training style networks."""
