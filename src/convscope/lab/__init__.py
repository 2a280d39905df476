"""The lab: a browser page where networks are built, trained, watched and questioned, on this machine.

Three processes: the web process (`web/`), which never imports torch; a live worker that answers questions
about networks; a worker that runs jobs from a queue on disk. The server has no logic of its own: all that it
shows comes from public names of the rooms below.
"""

from convscope.system import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports.attach(__name__, __file__)
