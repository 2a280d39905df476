"""Accuracy on spoken digits: the authors' split, every speaker left out in turn, and voices of other sets.

CPU of one thread is counted, so that neighbours matter little. `python -m benchmarks.spoken_digits NAME ...`
trains some networks only; results are kept as they come, and a network and split that is there is not trained
again.
"""

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.data import DATA
from benchmarks.kept_runs import KeptRuns
from benchmarks.result import Result
from convscope import learn, nets, worlds
from convscope.learn import find_recipe
from convscope.worlds.sound.fsdd import DIGITS

NETWORKS = {
    "sound-frequency": 3,
    "sound-square": 3,
    "sound-time": 3,
    "sound-waveform": 1,
    "cldnn": 1,
}
"""Recipes, and the number of seeds of each."""
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "yweweler")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NEEDS = ("fsdd", "speech_commands", "speech_extra")


def unseen(net: nets.Net) -> dict[str, tuple[int, int]]:
    """Correct answers, of how many: words of Speech Commands, and digits of Asterisk's English voice."""
    spec = net.input_spec
    sets = {
        "Speech Commands": [(p, k) for k, w in enumerate(WORDS) for p in _files("speech_commands", w)],
        "Asterisk, English": [(p, int(p.stem)) for p in _files("speech_extra", "asterisk_en")],
    }
    found = {}
    for name, pairs in sets.items():
        inputs = torch.stack([worlds.open_sample(path, spec).input for path, _ in pairs])
        with torch.no_grad():
            answers = net(inputs).argmax(1).tolist()
        right = sum(a == k for a, (_, k) in zip(answers, pairs, strict=True))
        found[name] = (right, len(pairs))
    return found


def _files(*parts: str) -> list[Path]:
    return sorted(DATA.joinpath(*parts).glob("*.wav"))


def trained(name: str, data: str, seed: int) -> dict[str, Any]:
    """Train a recipe on some data, and test it."""
    settings = {k: v for k, v in find_recipe(name).values().items() if k not in ("network", "data")}
    settings |= {"precision": "fp32", "memory_format": "contiguous"}
    train, test = (worlds.open(data, part, root=DATA / "fsdd") for part in ("train", "test"))
    net = nets.load(find_recipe(name).settings["network"], weights=None, seed=seed)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        learn.train(net, train, seed=seed, out=Path(folder) / "run", **settings)
    seconds = time.process_time() - started
    right = learn.evaluate(net, test).accuracy
    others = unseen(net) if data == "fsdd" else {}
    return {"accuracy": right, "cpu_s": seconds, "unseen": others}


def runs(names: list[str]) -> list[dict[str, Any]]:
    """Train what is not there yet."""
    kept = KeptRuns("spoken_digits")
    for seed in range(max(NETWORKS.values())):
        for name in (n for n in names if seed < NETWORKS[n]):
            for data in ("fsdd", *(f"fsdd-without-{speaker}" for speaker in SPEAKERS)):
                key = {"net": name, "data": data, "seed": seed}
                kept.get(key, partial(trained, name, data, seed))
    return kept.found


def run() -> Result:
    torch.set_num_threads(1)
    found = runs(list(NETWORKS))
    rows = []
    for name in NETWORKS:
        mine = [r for r in found if r["net"] == name]
        split = [100 * r["accuracy"] for r in mine if r["data"] == "fsdd"]
        held = {s: [100 * r["accuracy"] for r in mine if r["data"].endswith(f"-{s}")] for s in SPEAKERS}
        each = [mean(values) for values in held.values()]
        others = [r["unseen"] for r in mine if r["unseen"]]
        heard = {k: mean(100 * o[k][0] / o[k][1] for o in others) for k in others[0]}
        cells = [f"{mean(values):.1f}" for values in held.values()]
        rows.append(
            (
                name,
                f"{mean(split):.1f}",
                f"{mean(each):.1f} ± {stdev(each):.1f}",
                *cells,
                *(f"{value:.0f}" for value in heard.values()),
                str(len(split)),
                f"{mean(r['cpu_s'] for r in mine):.0f}",
            )
        )
    head = (
        "network",
        "authors' split, %",
        "speaker left out, mean ± deviation over speakers, %",
        *SPEAKERS,
        "Speech Commands, %",
        "Asterisk, English, %",
        "seeds",
        "CPU s of a training",
    )
    about = (
        "Accuracy in per cent; always the same answer: 10 %. In the authors' split every speaker is learned "
        "from too; left out, none of the speaker's 500 recordings is. Speech Commands (64 digits of other "
        "voices, 16 kHz) and Asterisk's (10 digits of a woman) are answered by the networks of the authors' "
        "split; all voices that are learned from are men's."
    )
    return Result("Spoken digits", about, head, rows, {"runs": found, "classes": list(DIGITS)})


if __name__ == "__main__":
    torch.set_num_threads(1)
    runs(sys.argv[1:] or list(NETWORKS))
