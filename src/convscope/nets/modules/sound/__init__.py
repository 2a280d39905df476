"""Modules of networks that hear."""
