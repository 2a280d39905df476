"""Verbs about an input: inputs first, and the network by --net."""
