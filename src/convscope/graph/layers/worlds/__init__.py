"""Layers for sounds, texts and boards of Go."""
