"""The lab: a browser page where networks are built, trained, watched and questioned, on this machine.

Three processes: the web process (`web/`), which never imports torch; a live worker that answers questions
about networks; a worker that runs jobs from a queue on disk. The server has no logic of its own: all that it
shows comes from public names of the rooms below.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
