from .images import png as png
from .images.contact_sheet import grid as grid
from .report.figure import Figure as Figure
from .report.figure import Section as Section
from .report.recipe import TourRecipe as TourRecipe
from .report.report import Report as Report
from .report.report import render as render
from .report.tour import tour as tour
