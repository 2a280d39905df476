"""Objectives: the terms that are summed, and what they read."""
