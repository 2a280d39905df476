from .recipe import LabRecipe as LabRecipe
from .web.server import Server as Server
