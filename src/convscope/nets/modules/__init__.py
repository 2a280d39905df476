"""Layers that torch does not have, as `nn.Module`s."""
