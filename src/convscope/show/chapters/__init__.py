"""The chapters of the tour: each computes what its figures show and puts them in order."""

from convscope.show.chapters.convolution import chapter as convolution
from convscope.show.chapters.network import chapter as network
from convscope.show.chapters.neuron import chapter as neuron
from convscope.show.chapters.seen import Subject as Subject
from convscope.show.chapters.seen import chapter as seen
from convscope.show.chapters.training import HARDEST as HARDEST
from convscope.show.chapters.training import chapter as training
from convscope.show.chapters.why import chapter as why

__all__ = ["HARDEST", "Subject", "convolution", "network", "neuron", "seen", "training", "why"]
