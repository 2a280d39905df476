from .classify import Classification as Classification
from .classify import classify as classify
from .classify import classifying as classifying
from .feed_forward import Region as Region
from .feed_forward import stylize as stylize
