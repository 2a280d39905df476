"""Networks that run: build a graph or take any module, address what is inside, record it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
