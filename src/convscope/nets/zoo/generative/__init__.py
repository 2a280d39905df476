"""Generative networks of the zoo."""
