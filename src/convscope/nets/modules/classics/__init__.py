"""Layers of networks from before deep learning libraries: LeNet-5 and the Neocognitron."""
