"""Modules of networks of sounds."""
