"""A network as frozen data: layers, connections, shapes, costs, receptive fields. No torch, no numpy."""

from convscope.graph.chain import chain as chain
from convscope.graph.contract import InputContract as InputContract
from convscope.graph.contract import Shape as Shape
from convscope.graph.graph import Graph as Graph
from convscope.graph.graph import Node as Node
from convscope.graph.layer import Layer as Layer
from convscope.graph.layer import Window as Window
from convscope.graph.layers import LAYERS as LAYERS
