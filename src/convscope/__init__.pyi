from . import graph as graph
from . import learn as learn
from . import nets as nets
from . import see as see
from . import show as show
from . import use as use
from . import worlds as worlds
from .errors import ConvscopeError as ConvscopeError
from .graph.chain import chain as chain
from .graph.contract import InputContract as InputContract
from .graph.graph import Graph as Graph
from .nets.building import build as build
from .nets.files import save as save
from .nets.freezing import frozen as frozen
from .nets.loading import load as load
from .nets.network import Net as Net
from .nets.network import wrap as wrap
from .nets.places import Place as Place
from .nets.recording import record as record
from .nets.tracing import trace as trace

__version__: str
