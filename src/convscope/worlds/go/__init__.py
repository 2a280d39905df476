"""The world of Go: rules, game records, planes, boards as pictures."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
