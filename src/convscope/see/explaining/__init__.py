"""Explaining: which part of an input a unit, a layer or an answer came from, and how far that can be believed."""
