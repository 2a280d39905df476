"""Networks of this package, one file each, in the registry `ZOO`."""

from convscope.nets.zoo import keras_reference as keras_reference
from convscope.nets.zoo.adain import ADAIN
from convscope.nets.zoo.autoencoder import AUTOENCODER
from convscope.nets.zoo.entry import ZooEntry
from convscope.nets.zoo.generative.gan import DCGAN, POINT_GAN
from convscope.nets.zoo.generative.pixelcnn import PIXELCNN
from convscope.nets.zoo.generative.pixelrnn import PIXELRNN
from convscope.nets.zoo.generative.vae import VAE
from convscope.nets.zoo.hed_vgg16 import HED_VGG16
from convscope.nets.zoo.lecture import LECTURE, LECTURE_RELU, TRAINED
from convscope.nets.zoo.mlp import MLP
from convscope.nets.zoo.published.alexnet import ALEXNET
from convscope.nets.zoo.published.capsnet import CAPSNET, CAPSNET_SMALL
from convscope.nets.zoo.published.googlenet import GOOGLENET
from convscope.nets.zoo.published.lenet5 import LENET5
from convscope.nets.zoo.published.nasnet import NASNET_MOBILE
from convscope.nets.zoo.published.neocognitron import NEOCOGNITRON
from convscope.nets.zoo.published.resnet_cifar import RESNET20
from convscope.nets.zoo.published.spatial_transformer import PLAIN_CNN, SPATIAL_TRANSFORMER
from convscope.nets.zoo.shallow import ONE_HIDDEN_LAYER
from convscope.nets.zoo.stylebank import STYLEBANK
from convscope.nets.zoo.worlds.go.policy import (
    ALPHAGO_POLICY,
    GO_9X9,
    GO_19X19,
    GO_MLP,
    GO_RESIDUAL_9X9,
    GO_RESIDUAL_19X19,
)
from convscope.nets.zoo.worlds.sound import (
    CLDNN,
    SOUND_FREQUENCY,
    SOUND_SQUARE,
    SOUND_TIME,
    SOUND_WAVEFORM,
    SPOKEN_DIGITS,
)
from convscope.nets.zoo.worlds.text.characters import BYTE_CNN, CHARACTER_CNN, QUESTIONS
from convscope.nets.zoo.worlds.text.kim import KIM, KIM_MULTICHANNEL, KIM_SMALL

ZOO: dict[str, ZooEntry] = {}
for _entry in (
    TRAINED,
    LECTURE,
    LECTURE_RELU,
    MLP,
    LENET5,
    ALEXNET,
    GOOGLENET,
    HED_VGG16,
    AUTOENCODER,
    VAE,
    PIXELCNN,
    PIXELRNN,
    DCGAN,
    POINT_GAN,
    ONE_HIDDEN_LAYER,
    NASNET_MOBILE,
    RESNET20,
    NEOCOGNITRON,
    CAPSNET,
    CAPSNET_SMALL,
    SPATIAL_TRANSFORMER,
    PLAIN_CNN,
    STYLEBANK,
    ADAIN,
    ALPHAGO_POLICY,
    GO_9X9,
    GO_19X19,
    GO_RESIDUAL_9X9,
    GO_RESIDUAL_19X19,
    GO_MLP,
    SPOKEN_DIGITS,
    SOUND_FREQUENCY,
    SOUND_TIME,
    SOUND_SQUARE,
    SOUND_WAVEFORM,
    CLDNN,
    KIM,
    KIM_SMALL,
    KIM_MULTICHANNEL,
    CHARACTER_CNN,
    BYTE_CNN,
    QUESTIONS,
):
    if _entry.name in ZOO:
        raise ValueError(f"two networks call themselves {_entry.name}")
    ZOO[_entry.name] = _entry
