"""Painting photographs with a trained style network."""
