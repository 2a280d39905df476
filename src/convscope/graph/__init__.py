"""A network as frozen data: layers, connections, shapes, costs, receptive fields. Neither torch nor numpy."""

from convscope.graph.analysis.arithmetic import compare as compare
from convscope.graph.analysis.arithmetic import dense_cost as dense_cost
from convscope.graph.analysis.arithmetic import output_size as output_size
from convscope.graph.analysis.arithmetic import read_by as read_by
from convscope.graph.analysis.costs import LayerCost as LayerCost
from convscope.graph.analysis.costs import Totals as Totals
from convscope.graph.analysis.costs import costs as costs
from convscope.graph.analysis.costs import peak_bytes as peak_bytes
from convscope.graph.analysis.costs import totals as totals
from convscope.graph.analysis.receptive_field import Field as Field
from convscope.graph.analysis.receptive_field import receptive_fields as receptive_fields
from convscope.graph.chain import chain as chain
from convscope.graph.chain import text as text
from convscope.graph.contract import InputContract as InputContract
from convscope.graph.contract import Shape as Shape
from convscope.graph.document import from_json as from_json
from convscope.graph.document import to_json as to_json
from convscope.graph.expression import Computation as Computation
from convscope.graph.expression import Step as Step
from convscope.graph.expression import computation as computation
from convscope.graph.graph import Graph as Graph
from convscope.graph.graph import Node as Node
from convscope.graph.layer import Layer as Layer
from convscope.graph.layer import Window as Window
from convscope.graph.layers import LAYERS as LAYERS
from convscope.graph.layers.conv import Conv2d as Conv2d
