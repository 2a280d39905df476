"""The Go Text Protocol, version 2, with what Leela Zero, KataGo and Sabaki have added for analysis."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
