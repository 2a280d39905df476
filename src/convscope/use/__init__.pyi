from .classify import Classification as Classification
from .classify import classify as classify
from .classify import classifying as classifying
from .stylize.stylize import Region as Region
from .stylize.stylize import stylize as stylize
