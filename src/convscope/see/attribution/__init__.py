"""Attribution: which parts of an input an output depends on, and how faithful the answer is."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
