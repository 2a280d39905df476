"""Tell what a word of a command line can be: a picture, a network, a data set, a text, a method."""

from itertools import islice
from pathlib import Path

MOST_LOOKED_AT = 1000
"""Most files of a folder whose endings are read."""
OWN = ("chirps", "digits", "go-9x9", "phrases", "ring", "sine", "strokes")
"""Sets that need no folder."""
TABLES = (".csv", ".tsv", ".xz", ".zip")
"""Endings of files that are a data set."""
CERTAIN = {"a picture", "a painting", "a network", "a data set", "a folder of pictures", "a result"}
"""What can be told from a word alone; anything else may name a layer, a unit or a style."""
TEXTS = (".txt", ".csv", ".tsv")
"""Endings of files that hold many texts with their classes."""


def fits(noun: str, word: str) -> bool:
    """Return whether a word can be what a field takes.

    Args:
        noun: of the field (`convscope.recipe.fields.Takes`).
        word: the word.

    Returns:
        False where it is known to be another thing.
    """
    if noun == "a result" and Path(word).suffix:  # a missing file is named as such when it is opened
        return True
    if noun == "a method":
        from convscope.see.attribution import is_method

        return is_method(word)
    if noun in CERTAIN:
        return is_a(noun, word) or (noun == "a picture" and is_sentence(word))
    if noun == "a name on the Hub" and word.startswith("hf://"):  # it may name a network that is there
        return True
    return not noun or not is_certain(word)


def is_certain(word: str) -> bool:
    """Return whether a word is known to be a picture, a network, or a folder.

    Args:
        word: the word.

    Returns:
        False where it may be anything.
    """
    return any(is_a(noun, word) for noun in CERTAIN)


def is_a(noun: str, word: str) -> bool:
    """Return whether a word names an existing file or something known, of the kind of a noun.

    Args:
        noun: one of `CERTAIN`.
        word: the word.

    Returns:
        True where it does.
    """
    from convscope.learn import PUBLISHED
    from convscope.worlds import WORLDS

    try:
        path = Path(word)
        there, folder = bool(word) and path.exists(), bool(word) and path.is_dir()
    except (OSError, ValueError):
        return False
    network = is_network(word)
    is_table = there and path.suffix.lower() in TABLES
    if noun == "a network":
        return network or (not there and is_chain(word))
    if noun == "a data set":
        texts = there and word.lower().removesuffix(".gz").endswith(TEXTS)
        return (folder and not network) or is_table or texts or word in (*OWN, *PUBLISHED)
    if noun == "a folder of pictures":
        return folder and not network
    if noun == "a result":
        return there
    suffix = path.suffix.lower().partition("@")[0]  # game.sgf@57
    known = any(suffix in world.suffixes for world in WORLDS.values())
    return not network and not is_table and (there or known)


def is_sentence(word: str) -> bool:
    """Return whether a word is a text for a network of texts: several words, or letters beyond ASCII.

    Args:
        word: the word.

    Returns:
        True for a text; False for a chain of layers.
    """
    return not is_chain(word) and len(word) > 1 and (" " in word.strip() or not word.isascii())


def is_chain(word: str) -> bool:
    """Return whether a word is a chain of layers: several of them, of which the first is a known kind.

    Args:
        word: the word.

    Returns:
        True for a chain.
    """
    from convscope.graph import LAYERS

    first = word.partition(",")[0].rpartition("=")[2].split()
    known = {*LAYERS, *(kind.removesuffix("1d").removesuffix("2d") for kind in LAYERS)}
    return "," in word and " " in word and bool(first) and first[0] in known


def is_network(word: str) -> bool:
    """Return whether a word names a network, or the folder of a saved one.

    Args:
        word: the word.

    Returns:
        True where it does.
    """
    from convscope import nets

    return nets.is_network(word)


def whole_name(word: str) -> str:
    """Return the name of a network with its library, where a word is the part after it (`resnet18`).

    Args:
        word: the word.

    Returns:
        The name, like `torchvision/resnet18`; the word itself where there is none.
    """
    from convscope import nets

    if is_certain(word) or not word:
        return word
    return next((name for name in nets.list_networks() if name.rpartition("/")[2] == word), word)


def kind_within(word: str) -> str:
    """Return the kind of the first inputs in a folder, or of a file.

    Args:
        word: path of the folder or file.

    Returns:
        Name of the world, like `image`; empty where none is known.
    """
    from convscope.worlds import WORLDS

    path = Path(word)
    below = islice(path.rglob("*"), MOST_LOOKED_AT) if path.is_dir() else [path]
    for one in below:
        if one.suffix.lower() in TEXTS:  # which may hold a position of Go, too
            return "text"
        for kind, world in WORLDS.items():
            if one.suffix.lower() in world.suffixes:
                return kind
    return ""
