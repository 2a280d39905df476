"""Modules of generative networks, which return images or points of their own."""
