"""Optimising the weights: a plan, a loop that yields, and runs that can be resumed exactly."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
