"""Layers of networks from the literature: LeNet-5, Neocognitron, capsules, spatial transformers."""
