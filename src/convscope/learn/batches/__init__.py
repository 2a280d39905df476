"""Batches of a training: drawn from data sets or loaders, adapted to the network's spec, augmented."""
