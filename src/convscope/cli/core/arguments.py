"""Check the arguments of a command line: what is missing, left over, misplaced or misspelled.

Each error says what the verb takes, and has the whole command that works, in the words that were given.
"""

import inspect
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, permutations
from pathlib import Path
from typing import Any

from convscope.cli.core.word_kinds import (
    CERTAIN,
    OWN,
    fits,
    is_a,
    is_certain,
    is_network,
    kind_within,
    whole_name,
)
from convscope.cli.core.words import flags_of, pairs, schema_of, split, verb_of
from convscope.errors import UsageError, misspelled, similar
from convscope.jobs.registry import JOBS, load
from convscope.recipe import SETTING_ALIASES, real_number
from convscope.recipe.fields import field_form, flag_of

MOST_REORDERED = 6
"""Most arguments whose order is searched."""
LIKE_A_NAME = 4
"""Fewest letters of a word that may be a misspelled name."""
NETWORKS = {"sound": "sound-frequency", "text": "kim_cnn"}
"""Networks that learn from inputs of a kind, where an example is needed."""
FLAGGED = ("a network", "a painting", "a layer", "a unit", "a style", "a data set", "a method")
"""What an argument too many may be the value of a flag for."""


@dataclass(frozen=True)
class _Slot:
    """A field that an argument may be meant for."""

    name: str
    noun: str
    example: str
    repeats: bool
    choices: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it takes, for a message."""
        return self.noun or self.name.upper()

    @property
    def flag(self) -> str:
        """The field's flag."""
        return flag_of(self.name)

    def may_be(self, word: str) -> bool:
        """Return whether a word can be its value."""
        return word in self.choices if self.choices else fits(self.noun, word)


@dataclass
class _Arrangement:
    """Arguments in the places that they fit: by positional field, and as flags (`moved` are their fields)."""

    places: dict[str, list[str]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)


def check_arguments(words: Sequence[str]) -> None:
    """Refuse arguments that are misplaced or too many, and flags that a verb does not have.

    Args:
        words: arguments of the command line.

    Raises:
        UsageError: there are such; the hint is the command that works, if one is recognised.
    """
    verb = verb_of(words)
    schema = schema_of(verb, words)
    if schema is None or {"-h", "--help"} & {word for word, _ in pairs(words)}:
        return
    arguments, options = split(words)
    _check_second_word(verb, arguments)
    _check_flags(verb, schema, words)
    given = {word.partition("=")[0] for word, _ in pairs(words) if word.startswith("-")}
    others = {flag_of(name) for name in load(verb).schema.model_fields if name not in schema.model_fields}
    if not given <= set(flags_of(verb, words)) or given & others:  # the parser or `schema_for` refuses them
        return
    flagged = {name for name in schema.model_fields if _slot(schema, name).flag in given}
    flagged |= {"config"} & {flag[2:] for flag in given}
    _check_places(verb, schema, arguments, options, flagged)


def _check_places(
    verb: str, schema: Any, arguments: list[str], options: list[str], flagged: set[str]
) -> None:
    """Refuse arguments that are misplaced or too many, with the command that works."""
    slots = [_slot(schema, name) for name in schema.positional_fields(flagged)]
    wrong = list(_misplaced(slots, arguments))
    if not wrong:
        return
    place, word = wrong[0]
    extra = " ".join(word for slot, word in wrong if slot is None)
    takes = f"{_takes(verb, slots)}, and no more" if slots and extra else _takes(verb, slots)
    joined = _with_whole_names(schema, slots, arguments, flagged)
    if joined != arguments and next(_misplaced(slots, joined), None) is None:
        raise UsageError(
            takes,
            received=f"a name in {len(arguments) - len(joined) + 1} words",
            hint=f"Write: {_written(verb, joined, options)}",
        )
    arguments = [whole_name(argument) for argument in joined]
    instead = _flag_instead(schema, arguments, flagged)
    if instead:
        raise UsageError(
            _takes(verb, slots),
            received=_looks(word, place),
            hint=f"Write: {_written(verb, arguments, [*instead, *options])}",
        )
    arranged = _arranged(schema, slots, arguments, flagged)
    if arranged is not None:
        used = _filled(slots, schema, arranged.places, {*flagged, *arranged.moved})
        needed = _without(_needed_flags(schema, flagged), arranged.flags[::2])
        raise UsageError(
            _takes(verb, slots),
            received=_looks(word, place),
            hint=f"Write: {_written(verb, used, [*arranged.flags, *options, *needed])}",
        )
    options = [*options, *_needed_flags(schema, flagged)]
    others = [argument for argument in arguments if argument != word]
    fit = bool(others) and next(_misplaced(slots, others), None) is None  # without it the others are right
    if extra and not (place is not None and is_certain(word) and fit):
        kept = [_nearest_value(schema, slot, word) for slot, word in zip(slots, arguments, strict=False)]
        also = f"also {', '.join(word for slot, word in wrong if slot is None)}"
        raise UsageError(
            takes,
            received=also if place is None else f"{_looks(word, place)}, and {also}",
            hint=f"Write: {_written(verb, list(filter(None, kept)), options)}",
        )
    if place is not None and (
        is_certain(word) or (place.noun == "a picture" and real_number(word) is not None)
    ):
        places = {slot.name: [value] for slot, value in zip(slots[1:], arguments[1:], strict=False)}
        example = {place.name: [_default(schema, place)]}
        used = others if fit else _filled(slots, schema, example | places, flagged)
        raise UsageError(
            _takes(verb, slots),
            received=_looks(word, place),
            hint=f"Write: {_written(verb, used, options)}",
        )


def check_missing(verb: str, given: dict[str, Any], values: dict[str, Any], config: str | None) -> None:
    """Refuse settings without which a verb cannot begin.

    Args:
        verb: a key of `JOBS`.
        given: values of arguments and flags by field, which the command of the hint repeats.
        values: these and those of the file.
        config: the file; None without one.

    Raises:
        UsageError: something is missing; the hint is a command that has it.
    """
    schema = load(verb).schema
    missing = [_slot(schema, name) for name in schema.missing(values)]
    if not missing:
        return
    slots = [_slot(schema, name) for name in schema.positional]
    flagged = [slot for slot in missing if slot.name not in schema.positional]
    if not given and config is None:
        command = _example(verb)
    else:
        places = {name: _list(given[name]) for name in schema.positional if name in given}
        if config is None or len(flagged) < len(missing):
            places |= {slot.name: [slot.example] for slot in missing if slot not in flagged}
        options = [word for name in given if name not in places for word in _as_flag(name, given[name])]
        options += [word for slot in flagged for word in (slot.flag, slot.example)]
        options += ["--config", config] if config else []
        command = _written(verb, [word for slot in slots for word in places.get(slot.name, [])], options)
    wanted = " and ".join(f"{slot.words} as {slot.flag}" for slot in flagged)
    raise UsageError(
        _takes(verb, slots) if len(flagged) < len(missing) else f"{verb} with {wanted}",
        received=" and ".join(f"no {slot.words.removeprefix('a ')}" for slot in missing),
        hint=f"Write: {command}" + (_LAYERS if "LAYER" in command.split() else ""),
    )


_LAYERS = " with one of the layers that convscope describe lists"


def _check_second_word(verb: str, arguments: Sequence[str]) -> None:
    """Refuse a mistyped second word after a verb that is also the first word of others (`style trian`)."""
    inside = {other.partition(" ")[2]: other for other in JOBS if verb and other.startswith(f"{verb} ")}
    if not inside or not arguments or not arguments[0].isalpha() or Path(arguments[0]).exists():
        return
    close = similar(arguments[0], list(inside), cutoff=0.6)
    if close:
        raise UsageError(
            "one of the verbs, or a file",
            received=f"{verb} {arguments[0]}",
            hint=f"Did you mean {inside[close[0]]}? See: convscope --help",
        )


def _check_flags(verb: str, schema: Any, words: Sequence[str]) -> None:
    """Refuse a flag that the verb does not have, with the command that has the nearest one instead."""
    known, listed = flags_of(verb, words), list(words)
    end = listed.index("--") if "--" in listed else len(listed)
    for position, word in enumerate(listed[:end]):
        flag, equals, value = word.partition("=")
        if not flag.startswith("--") or flag in known or position == 0:
            continue
        if known.get(listed[position - 1]):  # the value of the flag before it
            continue
        names = {name[2:].replace("-", "_"): name for name in known}
        names |= {name: name for name in schema.positional}
        close = _meant(verb, flag, names)
        if not close:
            raise UsageError(
                f"an option of convscope {verb}",
                received=flag,
                hint=f"There are {', '.join(sorted(known))}. See: convscope {verb} --help",
            )
        right = names[close]
        after = listed[position + 1 : position + 2]
        values = [value] if equals else after if after and not after[0].startswith("-") else []
        takes_value = known.get(right, True)
        rest = listed[:position] + listed[position + 1 + (not equals and bool(values) and takes_value) :]
        new = [right, *values] if right.startswith("-") and takes_value else [right]
        if right.startswith("-"):
            arguments, options = split(rest)
            fixed = _written(verb, arguments, [*options, *new])
        else:
            fixed = _written(verb, *_without_flags(schema.positional, rest, {right: values}))
        meant = (
            f"Did you mean {right}?" if right.startswith("-") else f"{right} is an argument, without a flag."
        )
        raise UsageError(f"an option of convscope {verb}", received=flag, hint=f"{meant} Write: {fixed}")


def _without_flags(
    positional: Sequence[str], words: Sequence[str], named: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """Return arguments and options without the flags of positional fields; their values take their places.

    Args:
        positional: names of the positional fields, in order.
        words: the words after the verb; flags may have no value.
        named: values that are known already, by field.
    """
    found, left = {name: list(values) for name, values in named.items()}, list[str]()
    flags = {f"--{name.replace('_', '-')}": name for name in positional}
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag in flags:
            found.setdefault(flags[flag], []).extend([value] if equals else [*islice(rest, 1)])
        else:
            left.append(word)
    arguments, options = split(left)
    rest = iter(arguments)
    places = [found[name] if name in found else list(islice(rest, 1)) for name in positional]
    return [*chain.from_iterable(places), *rest], options


def _meant(verb: str, flag: str, names: Mapping[str, str]) -> str:
    """Return the option that a wrong flag is a misspelling of; empty where its value may mean another thing.

    A flag of other verbs is spelled right, and means what it does there, unless only an ending differs.
    """
    close = misspelled(flag[2:], names, aliases=SETTING_ALIASES)
    if not close:
        return ""
    plain, right = flag[2:].replace("-", "_"), close[0]
    certain = plain in SETTING_ALIASES or plain.rstrip("s") == right.rstrip("s")
    elsewhere = not certain and any(flag in flags_of(other) for other in JOBS if other != verb)
    return "" if elsewhere else right


def _misplaced(slots: Sequence[_Slot], arguments: Sequence[str]) -> Iterator[tuple[_Slot | None, str]]:
    """Yield each argument that does not fit its place, with the place; None where there is none for it."""
    for number, word in enumerate(arguments):
        last = slots[min(number, len(slots) - 1)] if slots else None
        if last is None or (number >= len(slots) and not last.repeats):
            yield None, word
        elif not fits(last.noun, word):
            yield last, word


def _arranged(
    schema: Any, slots: Sequence[_Slot], arguments: Sequence[str], given: set[str]
) -> _Arrangement | None:
    """Search an order of the arguments in which each fits a place or a flag; None if there is none."""
    if len(arguments) > MOST_REORDERED:
        return None
    flagged = [
        _slot(schema, name)
        for name in schema.model_fields
        if name not in schema.positional and schema.positional_fields({name}) == schema.positional
    ]
    free = [
        slot
        for slot in flagged
        if (slot.choices or slot.noun in FLAGGED) and (slot.repeats or slot.name not in given)
    ]
    free.sort(key=lambda slot: slot.noun != "a method" and not slot.choices)  # whose values are all known
    for order in permutations(arguments):
        found = _placed(slots, free, order)
        if found is None:
            continue
        empty = [s for s in slots if s.name not in found.places and schema.model_fields[s.name].is_required()]
        moved = found.flags[1::2]
        if not empty or any(is_certain(word) for word in moved):
            return found
    return None


def _placed(slots: Sequence[_Slot], free: Sequence[_Slot], words: Sequence[str]) -> _Arrangement | None:
    """Put each word in the first place that it fits, else in a flag; None if one fits nowhere."""
    found, used = _Arrangement(), set[str]()
    for word in words:
        place = next(
            (s for s in slots if (s.repeats or s.name not in found.places) and fits(s.noun, word)), None
        )
        flag = next((s for s in free if (s.repeats or s.name not in used) and s.may_be(word)), None)
        if place is not None:
            found.places.setdefault(place.name, []).append(word)
        elif flag is not None:
            used.add(flag.name)
            found.moved.add(flag.name)
            found.flags += [flag.flag, word]
        else:
            return None
    return found


def _needed_flags(schema: Any, given: set[str]) -> list[str]:
    """Return flags that were not given and without which there is nothing to do, each with an example."""
    slots = [_slot(schema, name) for name in _lacking(schema, given) if name not in schema.positional]
    return [word for slot in slots for word in (slot.flag, slot.example)]


def _lacking(schema: Any, given: Collection[str]) -> list[str]:
    """Return the fields without which there is nothing to do, beside some that have a value."""
    return [] if "config" in given else schema.missing(dict.fromkeys(given, "x"))


def _without(options: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return flags with their values, without some flags that were added as examples."""
    kept, position = [], 0
    while position < len(options):
        step = 2 if options[position] in flags else 1
        kept += [] if step == 2 else [options[position]]
        position += step
    return kept


def _looks(word: str, place: _Slot | None) -> str:
    """Say what a word is that is not in its place."""
    wanted = place.noun if place else ""
    if is_network(word) and place is not None and wanted != "a data set":
        if Path(word).exists():
            return f'"{word}", which is no input but the folder of a saved network'
        return f'"{word}", which is no file but the name of a network'
    known = [noun for noun in sorted(CERTAIN - {"a result", "a painting"}) if is_a(noun, word)]
    is_what = known[0] if known else "a number" if real_number(word) is not None else ""
    if is_what == "a picture":
        from convscope.worlds import WORLDS

        suffix = Path(word).suffix.lower().partition("@")[0]
        others = (world for world in WORLDS.values() if suffix not in WORLDS["image"].suffixes)
        is_what = next((world.thing for world in others if suffix in world.suffixes), is_what)
    if not wanted:
        return f'also "{word}"' + (f", {is_what}" if is_what else "")
    return f'"{word}"' + (f", {is_what}," if is_what else "") + f" in the place of {wanted}"


def _takes(verb: str, slots: Sequence[_Slot]) -> str:
    """Say what arguments a verb takes, in their order."""
    nouns = [f"{slot.words} or several" if slot.repeats else slot.words for slot in slots]
    if not nouns:
        return f"{verb} without arguments"
    return f"{verb} with {nouns[0]} first{''.join(f', then {noun}' for noun in nouns[1:])}"


def _slot(schema: Any, name: str) -> _Slot:
    """Return a field as a place for arguments."""
    form = field_form(schema.model_fields[name])
    takes = form.takes if form else None
    noun, example = (takes.noun, takes.example) if takes else ("", name.upper())
    return _Slot(name, noun, example, bool(form and form.repeats), form.choices if form else ())


def _filled(
    slots: Sequence[_Slot], schema: Any, places: dict[str, list[str]], given: Collection[str]
) -> list[str]:
    """Return arguments in order; a missing one that is needed, or stands before others, gets an example."""
    found: list[str] = []
    lacking = {*_lacking(schema, {*places, *given})}
    names = {slot.name for slot in slots if slot.name in places or slot.name in lacking}
    for number, slot in enumerate(slots):
        followed = any(other.name in names for other in slots[number + 1 :])
        needed = followed or slot.name in lacking
        found += places.get(slot.name, [_fitting(schema, slot, places)] if needed else [])
    return found


def _fitting(schema: Any, slot: _Slot, places: dict[str, list[str]]) -> str:
    """Return an example of an argument that goes with the others: a network for a folder's kind of inputs."""
    if slot.noun == "a network":
        kinds = (kind_within(word) for words in places.values() for word in words if Path(word).exists())
        fitting = next((NETWORKS[kind] for kind in kinds if kind in NETWORKS), "")
        if fitting:
            return fitting
    return _default(schema, slot)


def _nearest_value(schema: Any, slot: _Slot, word: str) -> str:
    """Return a word that fits its place, else the name most like it, else an example; empty if optional."""
    if slot.may_be(word):
        return word
    from convscope import nets
    from convscope.learn import PUBLISHED

    names = {"a network": nets.list_networks(), "a data set": [*OWN, *PUBLISHED]}.get(slot.noun, [])
    close = similar(word, names, cutoff=0.7) if len(word) >= LIKE_A_NAME else []
    value = schema.model_fields[slot.name]
    instead = "" if not value.is_required() and not value.default else _default(schema, slot)
    return close[0] if close else instead


def _with_whole_names(
    schema: Any, slots: Sequence[_Slot], arguments: list[str], flagged: set[str]
) -> list[str]:
    """Join names that are divided (`torchvision/ resnet18`), unless an argument would be missing for that."""

    def lacks(words: Sequence[str]) -> bool:
        named = {slot.name for slot, _ in zip(slots, words, strict=False)}
        return bool(schema.missing(dict.fromkeys(named | flagged, True)))

    joined = _joined(arguments)
    return arguments if lacks(joined) and not lacks(arguments) else joined


def _joined(words: Sequence[str]) -> list[str]:
    """Return words with those joined that are the name of a network in two (`resnet 50`)."""
    for number in range(len(words) - 1):
        one, other = words[number : number + 2]
        if is_certain(one) or is_certain(other):
            continue
        names = (whole_name(f"{one}{mark}{other}") for mark in ("", "-", "_"))
        name = next(filter(is_network, names), None)
        if name is not None:
            return [*words[:number], name, *words[number + 2 :]]
    return list(words)


def _flag_instead(schema: Any, arguments: Sequence[str], given: set[str]) -> list[str]:
    """Return the flag of a network to start from, where it makes arguments right that are photographs."""
    for name in schema.model_fields:
        slot, places = _slot(schema, name), schema.positional_fields({*given, name})
        if slot.noun != "a network" or name in schema.positional or places == schema.positional_fields(given):
            continue
        slots = [_slot(schema, place) for place in places]
        right = next(_misplaced(slots, arguments), None) is None
        if right and all(Path(word).is_dir() and kind_within(word) in ("", "image") for word in arguments):
            return [slot.flag, slot.example]
    return []


def _default(schema: Any, slot: _Slot) -> str:
    """Return the default of an argument, as text; an example where it has none."""
    field = schema.model_fields[slot.name]
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    return value if isinstance(value, str) and value else slot.example


def _written(verb: str, inputs: Sequence[str], options: Sequence[str]) -> str:
    """Return one command line: arguments, then flags; the reverse if an argument looks like a flag.

    Args:
        verb: the verb.
        inputs: its arguments.
        options: its flags with their values.

    Returns:
        The command, quoted for a shell.
    """
    words = [*inputs, *options]
    if any(word.startswith("-") for word in inputs):
        words = [*options, "--", *inputs]
    return shlex.join(["convscope", *verb.split(), *words])


def _as_flag(name: str, value: Any) -> list[str]:
    """Return a field's value as words of a command line."""
    flag = flag_of(name)
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    return [word for entry in _list(value) for word in (flag, str(entry))]


def _list(value: Any) -> list[str]:
    """Return a value or values as texts."""
    return [str(entry) for entry in (value if isinstance(value, list | tuple) else [value])]


def _example(verb: str) -> str:
    """Return the first command in the help of a verb."""
    lines = (inspect.getdoc(load(verb)) or "").splitlines()
    return next(
        (line.strip() for line in lines if line.strip().startswith(f"convscope {verb}")), f"convscope {verb}"
    )
