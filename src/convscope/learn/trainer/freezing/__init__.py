"""Freezing parts of a network during a training: layers, feature maps, single links."""
