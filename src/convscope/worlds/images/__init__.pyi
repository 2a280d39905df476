from . import decode as decode
from . import listing as listing
from . import photos as photos
from .adapt import to_contract as to_contract
from .photos import to_pil as to_pil
