"""Faster paths of attribution with the same numbers."""
