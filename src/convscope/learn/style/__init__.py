"""Training of feed-forward style networks: StyleBank, Johnson et al., AdaIN."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
