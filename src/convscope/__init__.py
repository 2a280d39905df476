"""Build a convolutional network, teach it, see what it has learned, and put it to work."""

from convscope.system import signals as _signals

if _signals.is_program():  # before anything that takes time; a library never touches signals
    import sys

    _signals.install(sys.argv[1:])

from convscope.system import lazy_exports as _lazy_exports
from convscope.system import threads as _threads

_threads.prepare()  # before torch is imported, whose threads read it once

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = _lazy_exports.attach(__name__, __file__)
