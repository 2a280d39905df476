"""The world of Go: rules, game records, planes, boards as pictures."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
