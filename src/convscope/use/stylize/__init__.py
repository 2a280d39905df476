"""Stylization of photographs with a trained feed-forward style network."""
