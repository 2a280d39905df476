from . import png as png
