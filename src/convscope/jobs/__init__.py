"""The work behind every verb: a recipe in; progress, files and one JSON-ready document out. No terminal."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
