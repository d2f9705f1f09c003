"""Pictures that are unlike the others of their folder, or stored in a way that another program may misread."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genus.data.checks.finding import Examined, Finding, Severity
from genus.data.facts import Facts
from genus.data.preprocess import seen_share
from genus.errors import plural

ELONGATED = 2  # times as long as wide: a central square leaves out half
MANY = 0.05  # share of the pictures of some class
BLANK = 0.01  # contrast, 0..1
TINY = 16  # pixels of the shorter side
HUGE = 50_000_000  # pixels
FAR_OUT = 3  # times the distance of the quartiles beyond them (Tukey, Exploratory Data Analysis, 1977, 2D)
FEWEST = 20  # pictures that tell what is usual


class Kind(NamedTuple):
    """The pictures ``which`` are what ``told`` says."""

    name: str
    severity: Severity
    which: NDArray[np.bool_]
    told: str
    advice: str


def pictures(data: Examined) -> Iterator[Finding]:
    """Blank, tiny, dark, bright and blurred pictures; pictures in unusual files."""
    for kind in _kinds(data.inspection.facts, data.preprocess.size):
        if count := int(np.count_nonzero(kind.which)):
            members = data.paths(kind.which)
            example = f"{data.name(members[0][0])}{' for one' if count > 1 else ''}"
            sentence = f"{plural(count, 'picture')} {'is' if count == 1 else 'are'} {kind.told}: {example}."
            yield Finding(kind.name, kind.severity, sentence, kind.advice, members)


def _kinds(facts: Facts, size: int) -> Iterator[Kind]:
    short = np.minimum(facts["width"], facts["height"])
    area = facts["width"].astype(np.int64) * facts["height"]
    blank = facts["contrast"] < BLANK
    dark, bright, blurred = (
        _far_out(values) & ~blank
        for values in (-facts["brightness"], facts["brightness"], -np.log(facts["sharpness"] + 1e-3))
    )
    small = (short >= TINY) & (short < size / 2)
    look = "Look at them: is what their class says to be seen?"
    yield Kind("blank", "warning", blank, "blank", "Remove them: there is nothing to be seen.")
    yield Kind("tiny", "warning", short < TINY, f"less than {TINY} pixels wide or high", "Are they icons? Remove them.")
    yield Kind("small", "note", small, f"enlarged for a network that looks at {size} pixels",
               "A smaller --image-size is quicker, and may be as good.")  # fmt: skip
    yield Kind("dark", "note", dark, "much darker than the others", look)
    yield Kind("bright", "note", bright, "much brighter than the others", look)
    yield Kind("blurred", "note", blurred, "much less sharp than the others", look)
    yield Kind("huge", "note", area > HUGE, f"over {HUGE / 1e6:.0f} megapixels", "Smaller copies are read faster.")
    yield Kind("turned", "note", facts["orientation"] > 1, "turned upright by EXIF data",
               "genus turns them; other programs may not.")  # fmt: skip
    yield Kind("transparent", "note", facts["alpha"], "partly transparent, and seen on white",
               "Put them on the ground that new pictures will have.")  # fmt: skip
    yield Kind("deep", "note", facts["bits"] > 8, "of more than 8 bits a channel", "They are scaled to 8 bits.")
    yield Kind("cmyk", "note", facts["colour"] == b"CMYK", "made for print (CMYK)",
               "Their colours are converted; save them as RGB to be sure of them.")  # fmt: skip
    yield Kind("frames", "note", facts["frames"] > 1, "one of several in a file (animation, pages)",
               "The first of each file is used; save the others by themselves.")  # fmt: skip


def _far_out(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which values are far above nearly all."""
    if len(values) < FEWEST:
        return np.zeros(len(values), bool)
    low, high = np.quantile(values, (0.25, 0.75))
    return values > high + FAR_OUT * (high - low)


def cut_off(data: Examined) -> Iterator[Finding]:
    """Elongated pictures, of which a central square leaves out more than half."""
    facts, labels = data.inspection.facts, data.labels
    if data.preprocess.fit != "crop" or not len(facts):
        return
    sides = np.stack((facts["width"], facts["height"])).astype(float)
    ratio = sides.max(axis=0) / sides.min(axis=0)
    elongated = ratio >= ELONGATED
    if not elongated.any():
        return
    of_class = [elongated[labels == label].mean() for label in np.unique(labels)]
    typical = np.flatnonzero(elongated)[np.argsort(ratio[elongated])[np.count_nonzero(elongated) // 2]]
    seen = seen_share((int(facts["width"][typical]), int(facts["height"][typical])), data.preprocess)
    members = data.paths(elongated)
    count = len(members)
    yield Finding(
        "cut off",
        "warning" if max(of_class) >= MANY else "note",
        f"{count:,} of {len(facts):,} pictures {'are' if count > 1 else 'is'} at least twice as long as wide: a model "
        f"sees the middle, {100 * seen:.0f} % of such a picture; {data.name(members[0][0])} for one.",
        "Train with --fit pad to show the model all of every picture, unless what counts is in the middle.",
        members,
    )
