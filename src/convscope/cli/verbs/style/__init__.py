"""Verbs that paint, and that train networks which paint."""
