from . import digits as digits
from .samples import InMemory as InMemory
from .samples import Problem as Problem
from .samples import Samples as Samples
from .samples import scaled as scaled
