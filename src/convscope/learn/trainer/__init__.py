"""The training loop, its events, stored states and run folders."""
