from . import graph as graph
from . import jobs as jobs
from . import lab as lab
from . import learn as learn
from . import nets as nets
from . import see as see
from . import show as show
from . import use as use
from . import worlds as worlds
from .errors import ConvscopeError as ConvscopeError
from .graph.chain import chain as chain
from .graph.graph import Graph as Graph
from .graph.spec import ImageTransform as ImageTransform
from .graph.spec import OutputSpec as OutputSpec
from .graph.spec import TensorSpec as TensorSpec
from .nets.activations.address import LayerAddress as LayerAddress
from .nets.activations.freezing import frozen as frozen
from .nets.activations.recording import record as record
from .nets.io.folder import save as save
from .nets.io.graph_module import build as build
from .nets.io.loading import load as load
from .nets.network import Net as Net
from .nets.network import wrap as wrap
from .nets.tracing.tracer import trace as trace
from .system.progress import Progress as Progress

__version__: str
