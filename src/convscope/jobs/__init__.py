"""The work behind every verb: a recipe in; progress, files and one JSON-ready document out. No terminal."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
