"""Arrays as images: drawing, heatmaps, contact sheets, and PNG files that contain their recipe."""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
