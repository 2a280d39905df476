"""Data for networks: reading photographs and handwritten digits from files, and data sets of them."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
