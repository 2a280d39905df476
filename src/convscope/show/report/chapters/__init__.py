"""The chapters of the tour: each computes what its figures show, and returns a section."""

from convscope.show.report.chapters.convolution import chapter as convolution
from convscope.show.report.chapters.learned_features import Subject as Subject
from convscope.show.report.chapters.learned_features import chapter as seen
from convscope.show.report.chapters.network import chapter as network
from convscope.show.report.chapters.neuron import chapter as neuron
from convscope.show.report.chapters.training import HARDEST as HARDEST
from convscope.show.report.chapters.training import chapter as training
from convscope.show.report.chapters.why import chapter as why

__all__ = ["HARDEST", "Subject", "convolution", "network", "neuron", "seen", "training", "why"]
