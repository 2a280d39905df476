"""Train the weights of a network: recipes, tasks, an iterable training loop, runs that resume exactly."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
