"""Faithfulness metrics, one in each file."""
