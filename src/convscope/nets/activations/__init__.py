"""Addresses inside a network, and recording what arrives there."""
