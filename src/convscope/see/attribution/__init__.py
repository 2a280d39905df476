"""Attribution: which parts of an input an output depends on, and how faithful the answer is."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
