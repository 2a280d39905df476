from . import digits as digits
from . import ring as ring
from . import sine as sine
from . import strokes as strokes
