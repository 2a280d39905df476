"""Feed-forward networks for style transfer: a photograph in, the stylized photograph out."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
