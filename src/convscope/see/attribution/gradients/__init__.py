"""Gradients of targets with respect to inputs, and whether they exist."""
