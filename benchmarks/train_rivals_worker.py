"""Images a second of training, as each library's users write it.

`python -m benchmarks.train_rivals_worker NETWORK WAY` prints `{"images_per_second": ...}`: steady speed over
some seconds, after some seconds of warming up. All train the same network with Adam on batches of one size,
in memory, without augmentation.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WARM, SECONDS = 3.0, 8.0
BATCHES = {"lecture": 128, "resnet20": 128, "efficientnet_lite0": 32}
"""Images of a step."""


class Watch:
    """Take the time of every step; print the speed and end the process when there are seconds enough."""

    def __init__(self, batch: int) -> None:
        self.batch, self.steps = batch, 0
        self.begun = self.first = 0.0

    def step(self) -> None:
        """Count a step; to be called after each."""
        now = time.perf_counter()
        if not self.begun:
            self.begun = now
        elif not self.first:
            if now - self.begun > WARM:
                self.first = now
        else:
            self.steps += 1
            if now - self.first > SECONDS:
                speed = self.steps * self.batch / (now - self.first)
                print(json.dumps({"images_per_second": speed}), flush=True)
                os._exit(0)  # from within a library's own loop


def arrays(network: str) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images `[b c h w]` and their labels."""
    from benchmarks.data import DATA, MNIST, cifar10

    if network == "lecture":
        from convscope import worlds

        train = worlds.named("mnist", MNIST, "train")
        return train.images.numpy(), train.labels.numpy()
    if network == "resnet20":
        return cifar10("train")
    from convscope import nets, worlds

    data = worlds.open(DATA / "flowers" / "train", spec=nets.load("efficientnet_lite0").input_spec)
    indices = range(len(data))
    return data.pixels(indices).numpy(), data.labels.numpy()


def module(network: str) -> Any:
    """Return the torch module, with fresh weights, of floats in [0, 1]."""
    from convscope import nets

    if network == "efficientnet_lite0":
        import timm

        return timm.create_model("tf_efficientnet_lite0", num_classes=5)
    return nets.load(network, weights=None, seed=0).module.train()


def common(network: str, watch: Watch) -> None:
    """DataLoader over a TensorDataset, Adam, float32."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    images, labels = map(torch.from_numpy, arrays(network))
    net = module(network).train()
    loader = DataLoader(TensorDataset(images.float() / 255, labels), batch_size=watch.batch, shuffle=True)
    optimizer, criterion = torch.optim.Adam(net.parameters()), nn.CrossEntropyLoss()
    while True:
        for inputs, targets in loader:
            optimizer.zero_grad()
            criterion(net(inputs), targets).backward()
            optimizer.step()
            watch.step()


def tuned(network: str, watch: Watch) -> None:
    """Bytes in memory, channels last, fused Adam, no DataLoader."""
    import torch
    from torch.nn import functional

    images, labels = map(torch.from_numpy, arrays(network))
    net = module(network).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    while True:
        for part in torch.randperm(len(images)).split(watch.batch):
            inputs = images[part].to(memory_format=torch.channels_last).float().div_(255)
            loss = functional.cross_entropy(net(inputs), labels[part])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            watch.step()


def convscope(network: str, watch: Watch) -> None:
    """`iter_train` with everything it does besides: sums, checks, a schedule, label smoothing."""
    import torch

    from convscope import nets, worlds
    from convscope.learn import ClassificationRecipe, Trainer

    images, labels = map(torch.from_numpy, arrays(network))
    if network == "efficientnet_lite0":
        net = nets.replace_head(nets.load(network), tuple("abcde"), seed=0)
    else:
        net = nets.load(network, weights=None, seed=0)
    classes = tuple(map(str, range(int(labels.max()) + 1)))
    data = worlds.ImageTensorDataset(images, labels, classes, net.input_spec, network)
    trainer = Trainer(
        net, data, recipe=ClassificationRecipe(batch=watch.batch, epochs=1000, optimizer="adam")
    )
    trainer.pause()
    for _event in trainer:
        watch.step()
        trainer.pause()


def keras(network: str, watch: Watch) -> None:
    """`model.fit` on arrays, with the backend that KERAS_BACKEND names."""
    import keras as K

    images, labels = arrays(network)
    inputs = K.Input((*images.shape[2:], images.shape[1]))
    model = K.Model(inputs, KERAS[network](K, inputs))
    model.compile("adam", K.losses.SparseCategoricalCrossentropy(from_logits=True))

    class Step(K.callbacks.Callback):
        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            watch.step()

    pixels = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).astype("float32") / 255
    model.fit(pixels, labels, batch_size=watch.batch, epochs=1000, verbose=0, callbacks=[Step()])


def lecture_layers(K: Any, x: Any) -> Any:
    for count in (25, 50):
        x = K.layers.MaxPooling2D()(K.layers.Conv2D(count, 3)(x))
    return K.layers.Dense(10)(K.layers.Dense(100, activation="relu")(K.layers.Flatten()(x)))


def resnet20_layers(K: Any, x: Any) -> Any:
    def conv(x: Any, channels: int, stride: int = 1) -> Any:
        x = K.layers.ZeroPadding2D(1)(x)
        return K.layers.BatchNormalization()(K.layers.Conv2D(channels, 3, stride, use_bias=False)(x))

    x = K.layers.ReLU()(conv(x, 16))
    for channels in (16, 32, 64):
        for block in range(3):
            stride = 2 if channels > 16 and not block else 1
            short = x
            if stride == 2:
                short = K.layers.Lambda(
                    lambda t, more=channels // 4: K.ops.pad(t[:, ::2, ::2], [[0, 0]] * 3 + [[more, more]])
                )(x)
            inner = conv(K.layers.ReLU()(conv(x, channels, stride)), channels)
            x = K.layers.ReLU()(K.layers.Add()([inner, short]))
    return K.layers.Dense(10)(K.layers.GlobalAveragePooling2D()(x))


KERAS: dict[str, Callable[[Any, Any], Any]] = {"lecture": lecture_layers, "resnet20": resnet20_layers}


def fastai(network: str, watch: Watch) -> None:
    """`Learner.fit` over fastai's loader of a TensorDataset."""
    import torch
    from fastai.callback.core import Callback
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    from torch.utils.data import TensorDataset

    class Step(Callback):
        def after_batch(self) -> None:
            watch.step()

    images, labels = map(torch.from_numpy, arrays(network))
    data = TensorDataset(images.float() / 255, labels)
    loader = DataLoader(data, bs=watch.batch, shuffle=True, num_workers=0)
    loaders = DataLoaders(loader, loader, device=torch.device("cpu"))
    learner = Learner(loaders, module(network), loss_func=CrossEntropyLossFlat(), cbs=[Step()])
    with learner.no_logging():  # fastai.callback.progress is not imported, so no bar
        learner.fit(1000)


def timm_parts(network: str, watch: Watch) -> None:
    """Take timm's loader, optimizer and training task, in the order and with the defaults of its train.py.

    The script itself is not in the package. Its loader decodes files in four processes; here the images are
    in memory, and processes that only hand them on are slower than none.
    """
    import torch
    from timm.data import create_loader
    from timm.optim import create_optimizer_v2
    from timm.task import ClassificationTask

    images, labels = arrays(network)

    class InMemory(torch.utils.data.Dataset):
        transform = None

        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
            return images[index], int(labels[index])

    channels, height, width = images.shape[1:]
    device = torch.device("cpu")
    loader = create_loader(
        InMemory(),
        (channels, height, width),
        watch.batch,
        is_training=True,
        no_aug=True,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        num_workers=0,
        persistent_workers=False,
        device=device,
    )
    task = ClassificationTask(module(network).train(), criterion_kwargs={"smoothing": 0.1}, device=device)
    optimizer = create_optimizer_v2(task.trainable_module, opt="adam", lr=1e-3)
    while True:
        for inputs, targets in loader:
            loss = task(inputs, targets)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step()


WAYS: dict[str, Callable[[str, Watch], None]] = {
    "common": common,
    "tuned": tuned,
    "convscope": convscope,
    "keras-torch": keras,
    "keras-jax": keras,
    "fastai": fastai,
    "timm": timm_parts,
}


def ways(network: str) -> list[str]:
    """Return the ways in which a network is trained here: Keras has no EfficientNet-lite0."""
    return [way for way in WAYS if network in KERAS or not way.startswith("keras")]


if __name__ == "__main__":
    if sys.argv[2].startswith("keras"):
        os.environ["KERAS_BACKEND"] = sys.argv[2].removeprefix("keras-")
    WAYS[sys.argv[2]](sys.argv[1], Watch(BATCHES[sys.argv[1]]))
