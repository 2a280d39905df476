"""A neuron, forward and back."""

from convscope.show.report.figure import Section
from convscope.show.report.figures.lecture import neuron


def chapter() -> Section:
    """The lectures' neuron, and an expression of ours."""
    return Section("neuron", (neuron.sigmoid(), neuron.other()))
