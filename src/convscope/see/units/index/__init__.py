"""The index of units: one pass over data, its statistics, and its files."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
