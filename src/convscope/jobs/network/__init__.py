"""Verbs about a network: the network first."""
