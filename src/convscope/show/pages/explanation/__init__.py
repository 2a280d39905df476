"""Attributions of one input: sheets, the page of several methods, and what their numbers say in words."""
