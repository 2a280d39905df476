"""The Go Text Protocol, version 2, with what Leela Zero, KataGo and Sabaki have added for analysis."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
