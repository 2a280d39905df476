"""Train the weights of a network: recipes, tasks, an iterable training loop, runs that resume exactly."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
