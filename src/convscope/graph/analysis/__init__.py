"""What follows from a graph: costs, receptive fields, and the arithmetic of convolutions."""
