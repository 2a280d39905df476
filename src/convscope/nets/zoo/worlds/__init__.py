"""Networks for other worlds than images."""
