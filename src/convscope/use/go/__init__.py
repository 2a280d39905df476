"""Play Go: players, tree search, the Go Text Protocol, a game in the terminal."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
