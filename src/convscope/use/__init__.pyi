from .classification import Classification as Classification
from .classification import classify as classify
from .classification import classifying as classifying
from .feed_forward import Region as Region
from .feed_forward import stylize as stylize
