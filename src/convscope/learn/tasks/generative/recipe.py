"""Recipes of networks that return images; needs no torch."""

from pydantic import Field

from convscope.learn.recipe import TaskRecipe
from convscope.recipe.fields import DataName, NetworkName


class ReconstructionRecipe(TaskRecipe):
    """Hold the settings of the training of an autoencoder, denoising or not."""

    task: str = Field(default="reconstruction", min_length=1, description="what the training optimises")
    noise: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="standard deviation of the noise on the inputs, as a share of the value range; drawn "
        "anew in every step, and never on the target",
    )


class VAERecipe(TaskRecipe):
    """Hold the settings of the training of a variational autoencoder."""

    network: NetworkName = Field(
        default="vae", min_length=1, description="what learns: a name, or a run's folder"
    )
    task: str = Field(default="vae", min_length=1, description="what the training optimises")


class PixelLikelihoodRecipe(TaskRecipe):
    """Hold the settings of the training of a PixelCNN or a PixelRNN."""

    network: NetworkName = Field(
        default="pixelcnn", min_length=1, description="what learns: a name, or a run's folder"
    )
    task: str = Field(default="pixel-likelihood", min_length=1, description="what the training optimises")


class GANRecipe(TaskRecipe):
    """Hold the settings of the training of a generative adversarial network of images."""

    network: NetworkName = Field(
        default="dcgan", min_length=1, description="what learns: a name, or a run's folder"
    )
    task: str = Field(default="gan", min_length=1, description="what the training optimises")
    r1: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="weight of the penalty on the discriminator's gradient with respect to data; "
        "0 for the original game",
    )


class RingGANRecipe(GANRecipe):
    """Hold the settings of the training of a generative adversarial network on the ring of Gaussians."""

    network: NetworkName = Field(
        default="point-gan", min_length=1, description="what learns: a name, or a run's folder"
    )
    data: DataName = Field(default="ring", min_length=1, description="what it learns from: ring")
    task: str = Field(default="gan-ring", min_length=1, description="what the training optimises")
