"""Output of results: arrays as images, HTML pages, and the illustrated report."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
