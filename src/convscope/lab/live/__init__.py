"""Answers of the live worker: networks, maps, units, steering, receptive fields."""
