"""Occlusion by recomputing only what a covered box changes."""
