"""Figures of a network's layers, training and learned features."""
