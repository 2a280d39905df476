"""The chapter on one neuron as a computation graph, forward and backward."""

from convscope.show.report.figure import Section
from convscope.show.report.figures.lecture import neuron


def chapter() -> Section:
    """Build the chapter on backpropagation: the lectures' neuron, and an expression of ours.

    Returns:
        The section.
    """
    return Section("neuron", (neuron.sigmoid(), neuron.other()))
