from .classify import Classification as Classification
from .classify import classify as classify
from .classify import classifying as classifying
