"""Faster paths of attribution methods, with the same results."""
