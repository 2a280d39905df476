"""Batches of a training: where they come from, adapted to the network, augmented."""
