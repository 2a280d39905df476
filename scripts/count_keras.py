"""Count what Keras itself builds, for the table of `convscope nets`.

    pip install keras jax scipy
    KERAS_BACKEND=numpy python scripts/count_keras.py > src/convscope/nets/data/keras_counts.json

Needs no weights and no download. `layers` is `len(model.layers)`; `weight_layers` leaves out what holds no
weights.
"""

import json
import math
import os
import sys

NAMES = (
    "Xception",
    "VGG16",
    "VGG19",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "ResNet50V2",
    "ResNet101V2",
    "ResNet152V2",
    "InceptionV3",
    "InceptionResNetV2",
    "MobileNet",
    "MobileNetV2",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "NASNetMobile",
    "NASNetLarge",
)


def values(weights) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def count(model) -> dict[str, int]:
    """Parameters of every sort, and layers."""
    convolutions = [layer for layer in model.layers if "Conv" in type(layer).__name__]
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    return {
        "total": model.count_params(),
        "trainable": values(model.trainable_weights),
        "layers": len(model.layers),
        "weight_layers": sum(bool(layer.weights) for layer in model.layers),
        "convolution_biases": values(c.bias for c in convolutions if getattr(c, "bias", None) is not None),
        "norm_scales": values(n.gamma for n in norms if n.gamma is not None),
        "norm_statistics": values(w for n in norms for w in (n.moving_mean, n.moving_variance)),
    }


def main() -> None:
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    import keras

    counts = {}
    for name in sys.argv[1:] or NAMES:
        counts[name] = count(getattr(keras.applications, name)(weights=None))
        print(name, counts[name], file=sys.stderr)
    command = "KERAS_BACKEND=numpy python scripts/count_keras.py"
    json.dump({"keras": keras.__version__, "command": command, "models": counts}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
