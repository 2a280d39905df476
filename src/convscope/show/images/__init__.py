"""Arrays as images: drawing, heatmaps, contact sheets, and PNG files that contain their recipe."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
