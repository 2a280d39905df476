from . import storage as storage
