"""Training tasks: the loss of a step, the metrics of an epoch, the evaluation on held-out data."""
