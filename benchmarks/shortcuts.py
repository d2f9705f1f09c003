"""How often is a planted shortcut found, and what is said where there is none? usage: shortcuts FOLDER [SEEDS]

For each of SEEDS (20), 60 photos of each class of FOLDER (its pictures lie in folders with the names of the classes)
are saved as JPEGs of one size, each at a quality of 70 to 95 and by one of five cameras. Then one class, or a part of
it, gets what the others do not have: one quality, drawn from 50 to 95; a white border over the outer 9 of 180 pixels; a
sixth camera. It counts when the alarm names the class, and what was planted as the first cause. At last, what is said
of the photos as they are, and the seconds of one core for 100,000 pictures of 100 classes, of which one has a camera of
its own.
"""

import io
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks.timing import machine
from genus.data.catalog import Catalog, Picture
from genus.data.checks.finding import Examined, Finding
from genus.data.checks.shortcuts import shortcuts
from genus.data.facts import FACTS, Facts, facts_of
from genus.data.inspect import Inspected, Inspection
from genus.types import Preprocess

EACH = 60
SIZE, BORDER = (240, 180), 9
SHARES = (1.0, 0.8, 0.6, 0.4)
NOTHING = "nothing"
PLANTED = {"one JPEG quality": "JPEG quality ", "a border": "a border of ", "a camera": "camera Maker 6 "}
EXIF_MAKE = 271


def main(folder: Path, seeds: int = 20) -> None:
    machine()
    photos = defaultdict(list)
    for path in sorted(folder.rglob("*.jpg")):
        photos[path.parent.name].append(path)
    right, clean = Counter[tuple[str, float]](), Counter[str]()
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        planted, quality = str(rng.choice(sorted(photos))), int(rng.integers(50, 96))
        labels = np.repeat(sorted(photos), EACH)
        chosen = [path for label in sorted(photos) for path in rng.choice(photos[label], EACH, replace=False)]
        ways = [ways_to_save(path, quality, rng) for path in chosen]
        clean.update(one.kind for one in said_of([way[NOTHING] for way in ways], labels))
        lots = rng.random(len(labels))
        for how, cause in PLANTED.items():
            for share in SHARES:
                concerned = (labels == planted) & (lots < share)
                facts = [way[how if here else NOTHING] for way, here in zip(ways, concerned, strict=True)]
                opening = f"'{planted}' can be told from the other classes without looking at the object, by its files"
                right[how, share] += any(
                    one.sentence.startswith(f"{opening} alone: {cause}") for one in said_of(facts, labels)
                )
    print(f"\nPlanted in so much of one class of {folder.name}, found and named, of {seeds}:\n")
    print(f"| | {' | '.join(f'{100 * share:.0f} %' for share in SHARES)} |\n|---|{'---|' * len(SHARES)}")
    for how in PLANTED:
        print(f"| {how} | {' | '.join(str(right[how, share]) for share in SHARES)} |")
    print(f"\nWith nothing planted: {clean['shortcut']} alarms, {clean['plain numbers']} notes.")
    paths = [path for some in photos.values() for path in some]
    facts = [facts_of_file(path.read_bytes()) for path in paths]
    print("\nOf the photos as they are:")
    for one in said_of(facts, np.array([path.parent.name for path in paths])):
        print(f"{one.severity}: {one.sentence}")
    print(f"\n100,000 pictures of 100 classes: {seconds(np.array(facts, FACTS)):.1f} s of one core")


def ways_to_save(path: Path, quality: int, rng: np.random.Generator) -> dict[str, Facts]:
    """The facts of a photo with nothing planted, and with each of ``PLANTED``."""
    usual, camera = int(rng.integers(70, 96)), f"Maker {rng.integers(1, 6)}"
    image = ImageOps.fit(Image.open(path).convert("RGB"), SIZE)
    framed = ImageOps.expand(ImageOps.crop(image, BORDER), BORDER, "white")
    ways = ((image, usual, camera), (image, quality, camera), (framed, usual, camera), (image, usual, "Maker 6"))
    return {how: facts_of_file(jpeg(*way)) for how, way in zip((NOTHING, *PLANTED), ways, strict=True)}


def jpeg(image: Image.Image, quality: int, camera: str) -> bytes:
    exif, file = image.getexif(), io.BytesIO()
    exif[EXIF_MAKE] = camera
    image.save(file, "JPEG", quality=quality, exif=exif)
    return file.getvalue()


def facts_of_file(data: bytes) -> Facts:
    return facts_of(data, Image.open(io.BytesIO(data)).convert("RGB"))


def said_of(facts: list[Facts] | Facts, labels: np.ndarray) -> list[Finding]:
    """What the check says; each picture is a group of its own."""
    pictures = tuple(Picture(Path(label, f"{number}.jpg"), label) for number, label in enumerate(labels.tolist()))
    good = tuple(Inspected(picture, f"{number:064x}") for number, picture in enumerate(pictures))
    catalog = Catalog(Path(), tuple(np.unique(labels).tolist()), pictures)
    return list(shortcuts(Examined(catalog, Inspection(good, (), np.array(facts, FACTS)), (), (), Preprocess(224))))


def seconds(facts: Facts) -> float:
    """For 100,000 of these, drawn with replacement."""
    rng = np.random.default_rng(0)
    many, labels = facts[rng.integers(len(facts), size=100_000)], rng.integers(100, size=100_000).astype(str)
    many["camera"][labels == "7"] = b"Maker 6"
    start = time.process_time()
    (alarm,) = said_of(many, labels)
    assert alarm.sentence.startswith("'7' can be told")
    return time.process_time() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(seeds) for seeds in sys.argv[2:]))
