"""Recipes: every setting that decides a result, as frozen data.

There is one schema per verb. It defines the terminal's flags and the TOML file, and its values travel inside
every result, so that `convscope replay` can make the result again.
"""

import json
import math
import platform
import re
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from convscope.errors import DataError, UsageError, nearest, settings_hint
from convscope.recipe.fields import NetworkName, converted, field_form, flag_of, in_words
from convscope.system.files import read_toml

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Device = Literal["auto", "cpu", "cuda", "mps"]

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


MOST_MEMORY = 2**60
"""Largest amount of memory in bytes; a larger one is taken for a typing error."""


def in_bytes(text: str) -> int:
    """Parse an amount of memory such as `4GB`, `512 MiB` or `1e9`.

    Args:
        text: a decimal number in ASCII digits, and a unit of powers of 1000 or (with `i`) of 1024, in upper
            or lower case; bytes without one.

    Returns:
        The number of bytes; 0 if the text is of another form, or the amount exceeds `MOST_MEMORY`.
    """
    found = re.fullmatch(
        r"\s*([0-9.]{1,30}(?:e[0-9]{1,3})?)\s*([KMG]?I?B?)\s*", text.upper().replace("E", "e")
    )
    if not found:
        return 0
    number, unit = found.groups()
    unit = unit if unit.endswith("B") else unit + "B"
    try:
        amount = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        return 0
    return int(amount) if math.isfinite(amount) and amount <= MOST_MEMORY else 0


def _readable(memory: str) -> str:
    """Refuse an amount of memory that `in_bytes` cannot parse; for pydantic."""
    if memory and not in_bytes(memory):
        raise ValueError("a number and a unit, as in 4GB or 512MB")
    return memory


Memory = Annotated[str, AfterValidator(_readable)]
"""An amount of memory, as in `4GB`; empty where none was named."""


class Conflict(ValueError):
    """Settings that contradict each other; what a validator of several settings raises.

    Args:
        expected: what would have been right, as in "one --style-guide for each --style".
        received: what came instead, as it was given.
        hint: the next step; left out of the message when empty.
    """

    def __init__(self, expected: str, *, received: str, hint: str = "") -> None:
        super().__init__(f"{expected}, not: {received}")
        self.expected, self.received, self.hint = expected, received, hint


@dataclass(frozen=True, eq=False)
class OnlyWith:
    """A validation rule: a setting is valid only together with others.

    Without them it would have no effect, so it is refused and not ignored. A rule applies where the setting
    differs from its default: recipes that travel inside results name every field. One of the conditions must
    hold.

        OnlyWith("decay", canvas="fourier")                   # one value of another field
        OnlyWith("start", canvas=("fourier", "pixels"))       # one of several
        OnlyWith("split", data=GIVEN)                         # any value but None, empty, 0 or False
        OnlyWith("diversity", variants=AtLeast(2))
        OnlyWith("lr", probe_epochs=Below("epochs"))          # less than another field

    Args:
        field: name of the setting.
        values: the values of the setting to which the rule applies; all but the default if left out.
        hint: the next step for the user, where it is not to change the other field.
        **others: other fields by name, each with the condition that its value must meet.
    """

    field: str
    values: tuple[object, ...]
    hint: str
    others: tuple[tuple[str, object], ...]

    def __init__(self, field: str, /, *, values: tuple[object, ...] = (), hint: str = "", **others: object):
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "hint", hint)
        object.__setattr__(self, "others", tuple(others.items()))

    def broken(self, recipe: "Recipe") -> str:
        """Check the rule on a recipe.

        Args:
            recipe: the recipe, of a schema that has the fields of this rule.

        Returns:
            What is wrong, as a sentence; empty where a condition holds or the rule does not apply.
        """
        value = getattr(recipe, self.field)
        default = type(recipe).model_fields[self.field].get_default(call_default_factory=True)
        about = value in self.values if self.values else value != default
        if not about or any(_holds(recipe, name, wanted) for name, wanted in self.others):
            return ""
        needed = " or ".join(f"{flag_of(name)} {_in_words(wanted, recipe)}" for name, wanted in self.others)
        now = " and ".join(
            f"{flag_of(name)} is {_value_in_words(getattr(recipe, name))}" for name, _ in self.others
        )
        hint = f" {self.hint}" if self.hint else ""
        chosen = f"{self.field} ({_value_in_words(value)})"
        return f"{chosen}, which has an effect only with {needed}, and {now}.{hint}"


@dataclass(frozen=True)
class AtLeast:
    """A condition on a number, the largest number in a list, or the length of a list of texts.

    Attributes:
        least: the smallest value that meets it.
    """

    least: int


@dataclass(frozen=True)
class Below:
    """A condition on a number: it is less than the value of another field.

    Attributes:
        field: name of the other field.
    """

    field: str


GIVEN = object()
"""A condition: the other field is neither none, nor empty, 0 or False."""


def _holds(recipe: "Recipe", name: str, wanted: object) -> bool:
    """Return whether a field meets a condition of `OnlyWith`."""
    value = getattr(recipe, name)
    if isinstance(wanted, Below):
        return value < getattr(recipe, wanted.field)
    if wanted is GIVEN:
        return bool(value)
    if isinstance(wanted, AtLeast):
        if isinstance(value, list):
            numbers = [entry for entry in value if isinstance(entry, int)]
            value = max(numbers) if numbers else len(value)
        return (value or 0) >= wanted.least
    return value in (wanted if isinstance(wanted, tuple) else (wanted,))


def _in_words(wanted: object, recipe: "Recipe") -> str:
    """Return a condition in words, for an error."""
    if wanted is GIVEN:
        return "given"
    if isinstance(wanted, Below):
        return f"below {flag_of(wanted.field)} ({getattr(recipe, wanted.field)})"
    if isinstance(wanted, AtLeast):
        return f"of {wanted.least} or more"
    return " or ".join(map(_value_in_words, wanted if isinstance(wanted, tuple) else (wanted,)))


def _as_fields(values: dict[str, Any], fields: Container[str]) -> dict[str, Any]:
    """Return values by field: one that would be a keyword of Python ends in `_`, and is named without it."""
    return {f"{n}_" if n not in fields and f"{n}_" in fields else n: value for n, value in values.items()}


def _value_in_words(value: object) -> str:
    """Return a value as the user sees it, for an error."""
    if value in (None, "", [], ()):
        return "left out"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class Recipe(BaseModel):
    """Base class of the schemas of all verbs. Field descriptions become the help of the flags.

    Attributes:
        verb: the terminal's verb that takes these settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    verb: ClassVar[str] = ""
    positional: ClassVar[tuple[str, ...]] = ()
    """Fields that the terminal takes without a flag, in this order."""
    only_with: ClassVar[tuple[OnlyWith, ...]] = ()
    """Rules for settings that need others to have an effect; those of base classes hold too."""
    spelled_out: ClassVar[tuple[str, ...]] = ()
    """Fields that stand for others, whose values are filled in: `command` names those instead."""

    if not TYPE_CHECKING:  # checkers and editors know the fields from pydantic

        def __init__(self, /, **values: Any) -> None:
            """Validate the settings.

            Args:
                **values: values by field.

            Raises:
                UsageError: a field is unknown, missing or out of range, or a rule is broken; all of them are
                    named.
            """
            try:
                super().__init__(**values)
            except ValidationError as error:
                complaints = [_complaint(e, type(self).model_fields) for e in error.errors()]
                hints = [complaint.hint for complaint in complaints if complaint.hint]
                raise UsageError(
                    "; ".join(dict.fromkeys(complaint.expected for complaint in complaints)),
                    received="; ".join(complaint.received for complaint in complaints),
                    hint=" ".join(hints),
                ) from None

        # so pydantic does not call it where it validates itself: a recipe inside a model keeps its errors
        __init__.__pydantic_base_init__ = True

    @model_validator(mode="before")
    @classmethod
    def _as_flags(cls, values: Any) -> Any:
        """Convert values from anywhere to what the command line would hand over for them."""
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        forms = {name: field_form(fields[name]) for name in values if name in fields}
        return {name: converted(name, value, forms.get(name)) for name, value in values.items()}

    @model_validator(mode="after")
    def _effective(self) -> Self:
        broken = {rule.field: said for rule in self.rules() if (said := rule.broken(self))}
        if broken:
            raise Conflict(
                "settings that can be used together",
                received=" ".join(broken.values()),
                hint=f"Leave out {' and '.join(flag_of(field) for field in broken)}.",
            )
        return self

    @classmethod
    def rules(cls) -> tuple[OnlyWith, ...]:
        """Return the rules `only_with` of this schema and of its base classes."""
        own = [part.__dict__.get("only_with", ()) for part in cls.__mro__]
        return tuple(rule for rules in own for rule in rules)

    @classmethod
    def positional_fields(cls, given: Collection[str]) -> tuple[str, ...]:
        """Return the fields that the terminal's arguments fill, in this order.

        Args:
            given: fields that are given as flags; one of them may take the place of an argument.

        Returns:
            Names of fields; `positional`, unless a schema says otherwise.
        """
        return cls.positional

    @classmethod
    def missing(cls, values: dict[str, Any]) -> list[str]:
        """Return the fields without which there is nothing to do.

        Args:
            values: settings by field, not validated.

        Returns:
            Names of the required fields that have no value.
        """
        return [
            name for name, field in cls.model_fields.items() if field.is_required() and name not in values
        ]

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Build and validate a recipe from plain values.

        Args:
            values: values by field, as in TOML or JSON, as texts of flags, or Python's own: `size = 96`,
                `"96x128"` and `[96, 128]` alike (`convscope.recipe.fields`).

        Returns:
            The recipe, with defaults for fields that are left out.

        Raises:
            UsageError: a field is unknown, missing or out of range, or a rule is broken; all of them are
                named.
        """
        return cls(**_as_fields(values, cls.model_fields))

    @classmethod
    def read(cls, path: Path) -> dict[str, Any]:
        """Read the values in a TOML file without validating them, so that flags can override them.

        Args:
            path: the file; its names may be written like flags, with hyphens.

        Returns:
            Values by field, to be handed to `parse`.

        Raises:
            DataError: the file is missing, not a regular file, too large, or not TOML.
        """
        try:
            values = {name.replace("-", "_"): value for name, value in read_toml(path).items()}
            return _as_fields(values, cls.model_fields)
        except FileNotFoundError:
            raise DataError(
                "a file with settings", received=f"no file {path}", hint="Check the path."
            ) from None
        except (OSError, ValueError) as error:
            raise DataError(
                f"a TOML file at {path}",
                received=str(error),
                hint="One setting in a line: steps = 64; texts in quotation marks.",
            ) from None

    def chosen(self) -> dict[str, Any]:
        """Return the values that differ from their defaults, JSON-ready."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def command(self) -> str:
        """Return the shell command with the same effect: `convscope VERB ...`, quoted, without defaults.

        Where a recipe has tables, which only a file can hold, it is the one that reads them from
        `recipe.toml`.
        """
        values = self.model_dump(mode="json")
        words = ["convscope", self.verb]
        fields = type(self).model_fields
        if any(field_form(fields[name]) is None for name in self.chosen()):
            return " ".join([*words, "--config", "recipe.toml"])
        for name in self.positional:
            value = values[name]
            words += [_quoted(v) for v in (value if isinstance(value, list) else [value]) if v is not None]
        for name, value in self.chosen().items():
            if name in self.positional or name in self.spelled_out:
                continue
            flag = flag_of(name)
            if isinstance(value, bool):
                words.append(flag if value else "--no-" + flag[2:])
            else:
                for v in value if isinstance(value, list) else [value]:
                    words += [flag, _quoted(v)]
        return " ".join(words)

    def json(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the verb and all values as one JSON document."""
        return json.dumps({"verb": self.verb, **self.model_dump(mode="json")}, ensure_ascii=False)


class OnDevice(Recipe):
    """Base class of the schemas of verbs that compute with tensors."""

    device: Device = Field(default="auto", description="where to compute")


class SeededRecipe(OnDevice):
    """Base class of the schemas of verbs whose results depend on random numbers."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="the one source of randomness")


MADE_BY = ("convscope", "torch", "torchvision", "numpy", "pillow")
"""Packages whose version can change the last bits of a result."""


def stamp(recipe: Recipe) -> dict[str, Any]:
    """Return the record of a recipe that is stored inside results.

    Args:
        recipe: the recipe.

    Returns:
        JSON-ready: `verb`, all settings by field, and `versions`.
    """
    return {**json.loads(recipe.json()), "versions": versions()}


def versions() -> dict[str, str]:
    """Return the versions that a result depends on besides its recipe.

    Returns:
        `python`, `machine` (the processor's architecture), and the version of each package in `MADE_BY`.
    """
    packages = {name: version(name) for name in MADE_BY}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}


class OnNetwork(SeededRecipe):
    """Base class of the schemas of verbs that load a network."""

    weights: str = Field(
        default="packaged",
        min_length=1,
        description="packaged (those that ship, else fresh ones), none, default (the published ones, "
        "downloaded if they are not here), or the path of a .safetensors file",
    )


DEFAULT_NET = "efficientnet_lite0"
"""The network that verbs about an input use where none is named."""


class OnInput(OnNetwork):
    """Base of the schemas of verbs about an input: the input comes first, the network is the flag `--net`."""

    net: NetworkName = Field(default=DEFAULT_NET, description="which network: a name, or a run's folder")


def whole_number(text: str) -> int | None:
    """Parse a whole number of 1 to 18 ASCII digits.

    Args:
        text: the number; space around it is ignored.

    Returns:
        The number; None if the text is of another form, or has a sign or digits that are not ASCII.
    """
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text.strip()) else None


def real_number(text: str) -> float | None:
    """Parse a finite decimal number in ASCII.

    Args:
        text: the number, as Python's `float` takes it, without underscores.

    Returns:
        The number; None if the text is of another form, or NaN or infinite.
    """
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class _Complaint:
    """One of pydantic's errors in words: what would have been right, what came instead, and a hint."""

    expected: str
    received: str
    hint: str = ""


def _complaint(error: Any, fields: "dict[str, FieldInfo]") -> _Complaint:
    """Return one of pydantic's errors in words."""
    fields = _inner_fields(error["loc"], fields)
    name = next((str(part) for part in reversed(error["loc"]) if str(part) in fields), "")
    place = [str(part).rstrip("_") for part in error["loc"]]  # `from_` is `from` in files, and `--from`
    if len(place) > 1 and isinstance(error["loc"][-1], int):  # one of several values
        number = int(place.pop()) + 1
        where = f"value {number} of {'.'.join(place)}" if number > 1 else ".".join(place)
    else:
        where = ".".join(place)
    shown = name.rstrip("_")
    own = error["msg"].removeprefix("Value error, ") if error["type"] == "value_error" else ""
    conflict = error.get("ctx", {}).get("error")
    if isinstance(conflict, Conflict):
        inside = f"{where}: " if where else ""
        return _Complaint(f"{inside}{conflict.expected}", f"{inside}{conflict.received}", conflict.hint)
    if not where:
        return _Complaint("settings that can be used together", own or error["msg"])
    if error["type"] == "missing":
        return _Complaint(f"{where}: {in_words(fields[name])}", f"{where} is missing")
    if error["type"] == "extra_forbidden":
        names = [field.rstrip("_") for field in fields]
        return _Complaint(
            "the name of a setting",
            where,
            settings_hint(where, names, aliases=SETTING_ALIASES),
        )
    value = error["input"]
    if error["type"] == "string_unicode":
        return _Complaint(f"{shown}: a name in UTF-8", f"{where} = {shortened(value)}", "Rename it first.")
    choices = form.choices if name in fields and (form := field_form(fields[name])) else ()
    hint = nearest(value, choices, aliases=VALUE_ALIASES) if choices and isinstance(value, str) else ""
    expected = own or (in_words(fields[name]) if name in fields else error["msg"])
    return _Complaint(f"{shown}: {expected}", f"{where} = {shortened(value)}", hint if "Did" in hint else "")


def _inner_fields(place: "Sequence[int | str]", fields: "dict[str, FieldInfo]") -> "dict[str, FieldInfo]":
    """Return the fields of the table in which an error lies: those of the recipe, or of one inside it."""
    for part in place[:-1]:
        inner = fields.get(str(part))
        models = [m for m in get_args(inner.annotation) if isinstance(m, type)] if inner else []
        fields = next((m.model_fields for m in models if issubclass(m, BaseModel)), fields)
    return fields


SETTING_ALIASES = {
    "network": "net",
    "model": "net",
    "output": "out",
    "learning_rate": "lr",
    "iterations": "steps",
    "iters": "steps",
    "n_steps": "steps",
    "resolution": "size",
    "width": "size",
    "image_size": "size",
    "class": "target",
    "label": "target",
    "batch_size": "batch",
    "accumulate": "gradient_accumulation_steps",
    "accumulate_grad_batches": "gradient_accumulation_steps",
    "grad_accum_steps": "gradient_accumulation_steps",
    "dataset": "data",
    "colour": "color",
    "config_file": "config",
    "layer": "places",
    "layers": "places",
    "groups": "count",
    "n_groups": "count",
    "components": "count",
    "n_components": "count",
    "dtype": "precision",
}
"""Other programs' words for settings, for hints."""
VALUE_ALIASES = {
    "gpu": "cuda",
    "metal": "mps",
    "float32": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "momentum": "sgd",
    "nhwc": "channels_last",
    "nchw": "contiguous",
    "fft": "fourier",
}
"""Other programs' words for values of settings, for hints."""


def shortened(value: object, most: int = 80) -> str:
    """Return the `repr` of a value, shortened; never fails.

    Args:
        value: any value.
        most: number of characters after which the text is cut.

    Returns:
        The text, with `...` after it where it was cut.
    """
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"a {type(value).__name__} of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}..."


def _quoted(value: object) -> str:
    import shlex

    return shlex.quote(str(value))
