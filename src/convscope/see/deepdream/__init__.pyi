from .deepdream import DreamResult as DreamResult
from .deepdream import Octave as Octave
from .deepdream import dream as dream
from .deepdream import iter_dream as iter_dream
from .recipe import DreamRecipe as DreamRecipe
