"""Keras' answer for given weights: `python keras_forward.py MODEL in.npz out.npz`.

`in.npz` holds `image` [b h w 3] and, for every layer with weights, `layer/0`, `layer/1`, ... in Keras' order.
"""

import sys

import numpy as np


def main() -> None:
    name, source, target = sys.argv[1:]
    import keras

    given = np.load(source, allow_pickle=False)
    image = given["image"]
    model = getattr(keras.applications, name)(
        weights=None, input_shape=image.shape[1:], classifier_activation=None
    )
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([given[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
    np.savez(target, logits=np.asarray(model(image, training=False)))


if __name__ == "__main__":
    main()
