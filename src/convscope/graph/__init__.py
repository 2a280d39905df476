"""A network as frozen data: layers, connections, shapes, costs, receptive fields. Neither torch nor numpy."""

from convscope.graph.arithmetic import compare as compare
from convscope.graph.arithmetic import output_size as output_size
from convscope.graph.chain import chain as chain
from convscope.graph.chain import text as text
from convscope.graph.costs import LayerCost as LayerCost
from convscope.graph.costs import Totals as Totals
from convscope.graph.costs import costs as costs
from convscope.graph.costs import peak_bytes as peak_bytes
from convscope.graph.costs import totals as totals
from convscope.graph.document import from_json as from_json
from convscope.graph.document import to_json as to_json
from convscope.graph.expression import Computation as Computation
from convscope.graph.expression import computation as computation
from convscope.graph.graph import Graph as Graph
from convscope.graph.graph import Node as Node
from convscope.graph.layer import Layer as Layer
from convscope.graph.layer import Window as Window
from convscope.graph.layers import LAYERS as LAYERS
from convscope.graph.receptive_field import Field as Field
from convscope.graph.receptive_field import receptive_fields as receptive_fields
from convscope.graph.spec import ImageTransform as ImageTransform
from convscope.graph.spec import OutputSpec as OutputSpec
from convscope.graph.spec import Shape as Shape
from convscope.graph.spec import TensorSpec as TensorSpec
