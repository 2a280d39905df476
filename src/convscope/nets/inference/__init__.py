"""Faster execution of the same network: folded copies, memory formats, precision."""
