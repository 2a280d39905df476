"""Play Go: players, tree search, the Go Text Protocol, a game in the terminal."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
