"""Occlusion that recomputes only the region of each layer that a covered window changes."""
