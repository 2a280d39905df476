"""Occlusion that recomputes only the region of each layer that a occluded window changes."""
