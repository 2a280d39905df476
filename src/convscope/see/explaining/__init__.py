"""Explaining: what in an input an answer came from, and how far that can be believed."""
