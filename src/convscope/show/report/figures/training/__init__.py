"""Figures of a training and of what the trained network gets wrong."""
