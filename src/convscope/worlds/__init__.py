"""Data for networks: reading photographs and handwritten digits from files, and data sets of them."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
