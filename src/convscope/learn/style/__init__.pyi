from .setup import PerceptualConfig as PerceptualConfig
from .setup import StyleTrainingSetup as StyleTrainingSetup
from .setup import named as named
from .setup import setup_added_style as setup_added_style
from .setup import setup_style_training as setup_style_training
from .style_tasks import StyleLossWeights as StyleLossWeights
