"""Transfer learning: linear probing on cached features, then fine-tuning with layer-wise learning rates."""
