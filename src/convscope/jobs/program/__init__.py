"""Verbs about data sets, results and this program."""
