"""Texts divided into words, characters or bytes; data sets, vocabularies, word vectors."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
