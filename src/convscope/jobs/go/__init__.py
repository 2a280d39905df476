"""Verbs that play Go."""
