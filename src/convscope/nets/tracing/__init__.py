"""The graph of any module, read by watching one forward pass."""
