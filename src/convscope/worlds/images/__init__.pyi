from . import decode as decode
from . import listing as listing
from . import photos as photos
from .adapt import to_spec as to_spec
from .photos import to_pil as to_pil
