from .adain import AdaIN as AdaIN
