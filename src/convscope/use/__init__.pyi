from .classify import Classification as Classification
from .classify import classify as classify
from .classify import classifying as classifying
from .restyle import Region as Region
from .restyle import restyle as restyle
