"""Figures that explain an operation on small numbers."""
