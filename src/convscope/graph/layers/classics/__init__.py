"""Layers of networks from the literature: LeNet-5, capsules, locally connected layers."""
