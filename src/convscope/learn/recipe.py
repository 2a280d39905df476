"""Recipes of a training: every setting that decides its result, as validated data."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import override

from convscope.errors import ConvscopeError, UsageError
from convscope.learn.recipes.catalogue import find_recipe
from convscope.learn.trainer.freezing.addresses import Change
from convscope.recipe import GIVEN, AtLeast, Below, Conflict, OnlyWith, SeededRecipe
from convscope.recipe.fields import DataName, NetworkName
from convscope.system.counting import counted

Optimizer = Literal["adamw", "adam", "sgd", "muon", "rmsprop", "adadelta"]
Schedule = Literal["onecycle", "cosine", "step", "constant"]
ClassWeights = Literal["none", "balanced"]
Sampler = Literal["shuffle", "balanced"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
MemoryFormat = Literal["auto", "contiguous", "channels_last"]

SENTENCES = ("mr", "trec", "sst1", "sst2", "subj", "cr", "mpqa")
"""Sets of sentences in a folder of their own; `worlds.text.SENTENCE_SETS` reads them."""
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
SPOKEN = ("fsdd", *(f"fsdd-without-{name}" for name in SPEAKERS))
"""The Free Spoken Digit Dataset, whole or tested on one speaker; `worlds.sound.fsdd` reads it."""
PUBLISHED = ("mnist", "fashion-mnist", "cifar10", *SPOKEN, *SENTENCES)
"""Data sets in a folder of their own, some of which can be downloaded."""
VALIDATION = 0.1
"""Share of the training data that is held out where a setting needs a validation part."""
SMALL = 1_000_000
"""Number of parameters below which the default learning rate of Adam and AdamW is 0.005 in place of 0.001."""


PROBE_LR = 0.003
"""Default of the highest learning rate with which a head is trained on features of frozen layers."""
TRANSFER: dict[str, Any] = {
    "epochs": 23,
    "probe_epochs": 20,
    "batch": 32,
    "layer_decay": 0.75,
    "freeze_bn_stats": True,
}
"""Defaults of trainings that start from the weights of another network."""
TRANSFER_LR = 3e-4
"""Their highest learning rate with Adam and AdamW."""
TUNED = Below("epochs")
"""The condition of settings that have no effect on a linear probe: epochs are left for more than that."""
SHARE_PROBED = 0.85
"""Share of the epochs in which only the head learns, where a number of epochs is given."""


def _change(text: str) -> str:
    """Refuse what is no address with or without an epoch; for pydantic."""
    try:
        Change.parse(text)
    except ConvscopeError as error:
        raise Conflict(error.expected, received=text, hint=error.hint) from None
    return text


FreezeChange = Annotated[str, AfterValidator(_change)]
"""An address of parameters, and the epoch before which it is frozen or thawed: `conv2:7 at epoch 3`."""


class TrainRecipe(SeededRecipe):
    """Hold the settings that every training has, whatever its task is."""

    only_with: ClassVar[tuple[OnlyWith, ...]] = (OnlyWith("find_lr", lr=None),)

    epochs: int = Field(default=3, ge=1, le=100_000, description="passes over the data")
    batch: int = Field(
        default=128, ge=1, le=1_000_000, description="samples per step, of all processes together"
    )
    gradient_accumulation_steps: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="parts of a step's samples, computed one after the other to take less memory",
    )
    optimizer: Optimizer = Field(default="adamw", description="the rule that turns gradients into steps")
    lr: float | None = Field(
        default=None,
        gt=0,
        lt=1000,
        description="highest learning rate; by default one that suits optimizer and size",
    )
    find_lr: bool = Field(
        default=False, description="find the highest learning rate first, in a short trial of a copy"
    )
    schedule: Schedule = Field(default="onecycle", description="how the learning rate changes")
    warmup: float | None = Field(
        default=None,
        ge=0,
        le=0.9,
        description="share of the steps in which the rate rises; by default the schedule's own",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="for sgd, muon and rmsprop")
    weight_decay: float = Field(
        default=0.01, ge=0, le=10, description="of weights; biases and norms are left alone"
    )
    clip: float | None = Field(
        default=None, gt=0, le=1e9, description="longest gradient; longer ones are shortened to it"
    )
    agc: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="longest gradient of a unit's weights as a share of their length, such as 0.01; longer "
        "ones are shortened to it; the last layer's are left alone (adaptive gradient clipping)",
    )
    ema: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="decay of an exponential moving average of the weights, such as 0.999: it is what is "
        "tested and saved",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="epochs without a better validation metric after which the training ends; the best epoch "
        "is what is saved",
    )
    validation_split: float | None = Field(
        default=None,
        gt=0,
        le=0.5,
        description=f"share of the training data held out to choose by; {VALIDATION} where it is needed",
    )
    freeze: tuple[FreezeChange, ...] = Field(
        default=(),
        description="what stays bit for bit as it is: a layer (conv2), a unit (conv2:7), a link (conv2:7,3), "
        "a pattern (blocks.*); 'conv2 at epoch 3' from that epoch on, else from the beginning",
    )
    thaw: tuple[FreezeChange, ...] = Field(
        default=(), description="what of it learns again: 'blocks.5 at epoch 3'; after freeze within an epoch"
    )
    precision: Precision = Field(default="auto", description="auto measures which is faster here")
    memory_format: MemoryFormat = Field(default="auto", description="auto measures which is faster here")
    resume: Path | None = Field(
        default=None,
        description="the folder of a run to continue; its recipe counts, and only --epochs may be given, for "
        "more of them where the schedule is constant",
    )

    track: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = Field(
        default=(),
        description="who gets settings and metrics beside metrics.jsonl; may be given several times",
    )
    task: str = Field(default="", description="what the training optimises and measures")

    @model_validator(mode="after")
    def _freezes_in_time(self) -> Self:
        late = [text for text in (*self.freeze, *self.thaw) if Change.parse(text).epoch > self.epochs]
        if late:
            raise Conflict(
                f"freeze and thaw within the {counted(self.epochs, 'epoch')} of the training",
                received=f"a change in epoch {Change.parse(late[0]).epoch}: {late[0]}",
                hint=f"Name an earlier epoch, or train longer: --epochs {Change.parse(late[0]).epoch}",
            )
        return self

    def unused(self) -> dict[str, str]:
        """Return the settings that this recipe never reads.

        Returns:
            For each such field the reason, as a phrase for a message.
        """
        if self.optimizer in ("sgd", "muon", "rmsprop"):
            return {}
        return {"momentum": f"{self.optimizer} has none; sgd, muon and rmsprop have"}

    @property
    def validation_share(self) -> float:
        """Share of the training data that is held out to choose by; 0 where nothing is."""
        return self.validation_split or (VALIDATION if self.patience else 0.0)

    def max_lr(self, parameters: int) -> float:
        """Return the highest learning rate of the schedule.

        `lr` if it was given, else a default that suits the optimizer; Adam's and AdamW's is higher for
        networks of fewer than `SMALL` parameters.

        Args:
            parameters: number of trainable parameters of the network.

        Returns:
            The learning rate, positive.
        """
        if self.lr is not None:
            return self.lr
        adaptive = 0.005 if parameters < SMALL else 0.001
        return {"sgd": 0.05, "muon": 0.05, "rmsprop": 0.001, "adadelta": 1.0}.get(self.optimizer, adaptive)


class TaskRecipe(TrainRecipe):
    """Hold the settings of `convscope train`, whatever the task is: network, data and task.

    A task with settings of its own derives its schema from this one. With `recipe`, the settings of a named
    recipe take the place of the defaults.
    """

    verb: ClassVar[str] = "train"
    positional: ClassVar[tuple[str, ...]] = ("network", "data")
    only_with: ClassVar[tuple[OnlyWith, ...]] = (OnlyWith("reduced", recipe=GIVEN),)
    spelled_out: ClassVar[tuple[str, ...]] = ("recipe", "reduced")

    network: NetworkName = Field(
        default="lecture-relu",
        min_length=1,
        description="what learns: a name, a folder, or a chain of layers in quotes",
    )
    data: DataName = Field(
        default="digits",
        min_length=1,
        description="what it learns from: the name of a set, a folder of pictures or sounds, a file of texts",
    )
    size: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="side of the square input in pixels; the network's own if left out, for a chain of "
        "layers that of the pictures where all have one of at most 224",
    )
    samples: int | None = Field(
        default=None, ge=2, description="learn from so many samples, drawn at random; from all if left out"
    )
    recipe: str = Field(default="", description="a training by name, from convscope recipes")
    reduced: bool = Field(default=False, description="the recipe's run of seconds, to see that it works")
    root: Path | None = Field(default=None, description="the folder that holds a published set")
    download: bool = Field(default=False, description="fetch a published set that is not there")
    task: str = Field(
        default="classification",
        min_length=1,
        description="what the training optimises and measures; settings of another task come from --config",
    )

    @model_validator(mode="before")
    @classmethod
    def _follow(cls, values: Any) -> Any:
        """Fill in the settings of the named recipe that are not given; not beside `resume`."""
        name = values.get("recipe") if isinstance(values, dict) else None
        if not isinstance(name, str) or not name or values.get("resume") is not None:
            return values
        return {**find_recipe(name).values(values.get("reduced") is True), **values}

    @classmethod
    def positional_fields(cls, given: Collection[str]) -> tuple[str, ...]:
        """Return the fields that arguments fill: no network where `--from` or a named recipe decides it.

        Args:
            given: fields that are given as flags.

        Returns:
            Names of fields, in the order of the arguments.
        """
        return ("data",) if {"from_", "recipe"} & set(given) else cls.positional

    def unused(self) -> dict[str, str]:
        """Return the settings that this recipe never reads, each with the reason.

        Beside those of every training: `root` and `download`, where the data is no published set.
        """
        found = super().unused()
        if self.data not in PUBLISHED:
            reason = f"{self.data} is no published set ({', '.join(PUBLISHED)})"
            found |= {"root": reason, "download": reason}
        elif self.data in SENTENCES:
            found["download"] = f"{self.data} cannot be downloaded: name its folder with --root"
        return found


class ClassificationRecipe(TaskRecipe):
    """Hold the settings of the training of a classifier.

    The defaults bring the lecture's network to 99% on MNIST in about two passes: AdamW, a learning rate that
    rises and falls once (one cycle), and slight label smoothing.
    """

    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("probe_lr", probe_epochs=AtLeast(1)),
        OnlyWith("lr", probe_epochs=TUNED, hint="The probe has --probe-lr."),
        OnlyWith("layer_decay", probe_epochs=TUNED),
        OnlyWith("freeze_bn_stats", probe_epochs=TUNED),
        OnlyWith("augment", probe_epochs=TUNED, hint="The features of the probe are computed once."),
        OnlyWith("precision", values=("bf16", "fp16"), probe_epochs=TUNED),
        OnlyWith("memory_format", values=("channels_last",), probe_epochs=TUNED),
        OnlyWith("adamw_head", optimizer="muon"),
        OnlyWith("normalize_filters", probe_epochs=TUNED),
        OnlyWith("dirac_init", from_=None, hint="Its weights are the start."),
        OnlyWith("whiten_first_conv", from_=None, hint="Its weights are the start."),
        OnlyWith("weights", from_=GIVEN, hint="Without it a training begins with the weights that ship."),
    )

    label_smoothing: float = Field(
        default=0.1, ge=0, lt=1, description="share of the target spread over all classes"
    )
    augment: tuple[str, ...] = Field(
        default=(),
        description="random changes; of images: shift, flip, alternating-flip (in every other epoch), "
        "rotate, erase, resized-crop, color-jitter; of sounds: shift, speed, gain, noise",
    )
    class_weights: ClassWeights = Field(
        default="none", description="balanced weighs the loss so that every class counts alike"
    )
    sampler: Sampler = Field(
        default="shuffle",
        description="balanced draws every class equally often, with replacement; shuffle each sample once",
    )
    adamw_head: bool = Field(
        default=False, description="leave the last layer to AdamW where Muon moves the others"
    )
    normalize_filters: bool = Field(
        default=False,
        description="after every step scale the filters of each convolution without a bias to a mean square "
        "norm of 1; for those before a batch normalization, which takes their scale away",
    )
    dirac_init: bool = Field(
        default=False,
        description="begin with convolutions whose first filters return each channel as it is; further "
        "filters begin at random",
    )
    whiten_first_conv: bool = Field(
        default=False,
        description="begin with a first convolution that whitens the patches of the training images, with "
        "as many filters as a patch has values, or twice as many",
    )
    max_norm: float | None = Field(
        default=None,
        gt=0,
        lt=1e9,
        description="largest L2 norm of the weights of each output of the last layer: longer ones are "
        "shortened to it after every step",
    )
    vectors: Path | None = Field(
        default=None,
        description="of texts: a file of word vectors (GloVe, word2vec as text, or .npz) with which the "
        "embedding begins; --freeze embedding keeps them as they are",
    )
    tta: bool = Field(
        default=False,
        description="at the end, test also on the mean answer to six views of each picture: as it is and "
        "shifted by a pixel, each also mirrored (test-time augmentation)",
    )
    calibrate: bool = Field(
        default=False, description="fit the temperature of the output on held-out data at the end"
    )
    from_: NetworkName | None = Field(
        default=None,
        min_length=1,
        description="the network whose weights are the start, with a fresh last layer for the classes of the "
        "data; takes the place of NETWORK, and sets other defaults of epochs, probe-epochs, batch, lr, "
        "layer-decay and freeze-bn-stats",
    )
    weights: str = Field(
        default="packaged",
        min_length=1,
        description="of --from: packaged (those that ship, else fresh ones), none, default (the published "
        "ones, downloaded if they are not here), or the path of a .safetensors file",
    )
    probe_epochs: int = Field(
        default=0,
        ge=0,
        description="of the epochs, the first so many train the last layer alone, on cached features",
    )
    probe_lr: float = Field(
        default=PROBE_LR, gt=0, lt=1000, description="highest learning rate of these epochs"
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="factor of the learning rate from one group of layers to the one before it",
    )

    freeze_bn_stats: bool = Field(
        default=False,
        description="batch normalisations compute with the running statistics that they have, and keep them",
    )

    @property
    @override
    def validation_share(self) -> float:
        """Share of the training data that is held out to choose by, also where the output is calibrated."""
        return super().validation_share or (VALIDATION if self.calibrate else 0.0)

    @model_validator(mode="before")
    @classmethod
    def _start_from(cls, values: Any) -> Any:
        """Give a training that starts from another network's weights its own defaults."""
        if not isinstance(values, dict) or not values.get("from_"):
            return values
        start, named = values["from_"], values.get("network", values["from_"])
        if named != start:
            raise Conflict(
                "one network: NETWORK, or --from in its place", received=f"NETWORK {named} and --from {start}"
            )
        if values.get("recipe"):
            raise Conflict(
                "one start: --recipe or --from", received=f"--recipe {values['recipe']} and --from {start}"
            )
        return {**transfer_defaults(values), **values, "network": start}

    @model_validator(mode="after")
    def _balanced_once(self) -> Self:
        if self.class_weights == self.sampler == "balanced":
            raise Conflict(
                "--class-weights balanced or --sampler balanced: they correct the same, and together twice",
                received="class_weights balanced and sampler balanced",
                hint="Leave one of them out.",
            )
        return self

    @model_validator(mode="after")
    def _probe_fits(self) -> Self:
        if self.probe_epochs > self.epochs:
            raise Conflict(
                f"probe_epochs: at most {self.epochs}, as they are the first of all epochs (--epochs)",
                received=f"probe_epochs: {self.probe_epochs}",
            )
        if self.find_lr and self.probe_epochs == self.epochs and self.probe_lr != PROBE_LR:
            raise Conflict(
                "find_lr with a learning rate to find: that of the linear probe, which is all, is given",
                received=f"find_lr with probe_lr {self.probe_lr:g}",
                hint="Leave out --probe-lr or --find-lr.",
            )
        return self


def with_settings(recipe: TrainRecipe | None, settings: Mapping[str, Any]) -> TrainRecipe:
    """Return a recipe with some settings in the place of its own.

    Args:
        recipe: the recipe; the defaults of `ClassificationRecipe` if None.
        settings: values by field.

    Returns:
        The recipe, validated.

    Raises:
        UsageError: a field is unknown or out of range, or a rule is broken.
    """
    recipe = recipe or ClassificationRecipe()
    if not settings:
        return recipe
    return type(recipe).parse({**recipe.model_dump(exclude_unset=True), **settings})


def transfer_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a training that starts from the weights of another network.

    Args:
        values: settings by field that were given, not validated; `epochs` or `probe_epochs` decide the other.

    Returns:
        `epochs`, `probe_epochs`, `batch`, `lr`, `layer_decay` and `freeze_bn_stats` by field; the last three
        only where more than a linear probe is trained.
    """
    found = dict(TRANSFER)
    if values.get("optimizer", "adamw") in ("adam", "adamw") and values.get("find_lr") not in (True, "true"):
        found["lr"] = TRANSFER_LR
    try:
        if "epochs" in values:
            epochs = int(values["epochs"])
            found["probe_epochs"] = max(1, min(epochs - 1, round(epochs * SHARE_PROBED)))
        elif "probe_epochs" in values:
            found["epochs"] = int(values["probe_epochs"]) + TRANSFER["epochs"] - TRANSFER["probe_epochs"]
        chosen = {**found, **values}
        if int(chosen["probe_epochs"]) >= int(chosen["epochs"]):  # nothing but a probe
            found = {n: v for n, v in found.items() if n not in ("lr", "layer_decay", "freeze_bn_stats")}
    except (TypeError, ValueError):  # refused where it is validated
        pass
    return found


def refuse_unused(recipe: TrainRecipe) -> None:
    """Refuse settings that were given explicitly but that the recipe never reads.

    Settings given with their default value pass.

    Args:
        recipe: recipe to check; `recipe.unused()` lists what it never reads.

    Raises:
        UsageError: there are such settings; the message names their flags and the reasons.
    """
    fields = type(recipe).model_fields
    unused = {
        name: reason
        for name, reason in recipe.unused().items()
        if name in recipe.model_fields_set and getattr(recipe, name) != fields[name].default
    }
    if unused:
        flags = [f"--{name.replace('_', '-')}" for name in unused]
        raise UsageError(
            "settings that count",
            received="; ".join(f"{f} ({r})" for f, r in zip(flags, unused.values(), strict=True)),
            hint=f"Leave out {', '.join(flags)}.",
        )
