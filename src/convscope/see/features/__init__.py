"""Reading activations: feature maps, kernels, samples, receptive fields."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
