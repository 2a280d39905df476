"""Graph drawings of a network: a module tree, a layered layout of each module, an HTML page and an SVG."""

from convscope.show.graphs.cards import Card as Card
from convscope.show.graphs.cards import cards as cards
from convscope.show.graphs.page import page as page
from convscope.show.graphs.static import svg as svg
from convscope.show.graphs.tree import Tree as Tree
from convscope.show.graphs.tree import tree as tree

__all__ = ["Card", "Tree", "cards", "page", "svg", "tree"]
