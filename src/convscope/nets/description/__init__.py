"""Describe a network as a table: layers, shapes, parameters, multiply-accumulates, receptive fields."""
