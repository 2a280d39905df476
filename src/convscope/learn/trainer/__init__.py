"""The training loop, its state, its files."""
