"""Does the model know what it does not know? usage: unknown FOLDER [MODEL [WEIGHTS]]

Each class of FOLDER is left out of training in turn, and its test pictures are held against those of the classes that
stayed; then, trained on all classes, the test pictures are held against drawn flowers and against the photos that
scikit-image ships. AUROC: how often does a picture of something else have the larger distance, or the smaller
probability, than a known one; and the shares that the model's own rule calls unknown.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu

from benchmarks.timing import machine
from genus import api
from genus.data.folder import scan
from genus.demo import draw_dataset
from genus.files import csv_text
from genus.predictor import load
from genus.probabilities import softmax
from genus.types import Part

DRAWN_PER_CLASS = 40
PICTURES = {".png", ".jpg", ".gif"}


def main(folder: Path, model: str = "efficientnet_lite0", weights: str | None = None) -> None:
    machine()
    catalog = scan(folder)
    print(f"\n{model}\n\n| something else | pictures | AUROC, distance | AUROC, probability | unknown | of the known |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        unrelated = draw_others(place / "drawn")
        for number, left_out in enumerate(catalog.classes):
            rows = [(p.path, p.label, p.part) for p in catalog.pictures if p.label != left_out]
            (place / f"{number}.csv").write_text(csv_text([("path", "label", "split"), *rows]), encoding="utf-8")
            run = api.train(place / f"{number}.csv", model=model, weights=weights, out=place / str(number)).run
            pictures = [p for p in catalog.pictures if p.part == Part.TEST]
            others = [p.path for p in pictures if p.label == left_out]
            show(f"{left_out}, never trained on", run, [p.path for p in pictures if p.label != left_out], others)
        run = api.train(folder, model=model, weights=weights, out=place / "all").run
        known = [p.path for p in catalog.pictures if p.part == Part.TEST]
        for title, paths in unrelated.items():
            show(title, run, known, paths)


def draw_others(folder: Path) -> dict[str, list[Path]]:
    """Title -> pictures of something else; the flowers are drawn into ``folder``."""
    import skimage.data

    draw_dataset(folder, DRAWN_PER_CLASS)
    photos = Path(skimage.data.__file__).parent.iterdir()
    return {
        "drawn flowers": sorted(folder.rglob("*.jpg")),
        "photos of scikit-image": sorted(path for path in photos if path.suffix in PICTURES),
    }


def show(title: str, run: Path, known: list[Path], others: list[Path]) -> None:
    predictor = load(run)
    rule, temperature = predictor.bundle.known_rule, predictor.bundle.temperature
    distance, confidence, unknown = [], [], []
    for paths in (known, others):
        answers = list(predictor.answers(paths))
        distance.append(np.array([answer.distance for answer in answers]))
        confidence.append(softmax(np.stack([answer.logits for answer in answers]) / temperature).max(axis=1))
        pairs = zip(confidence[-1], distance[-1], strict=True)
        unknown.append(np.mean([not rule.holds(*pair) for pair in pairs]))
    by_distance = auroc(distance[1], distance[0])
    by_confidence = auroc(-confidence[1], -confidence[0])
    shares = f"{unknown[1]:.1%} | {unknown[0]:.1%}"
    print(f"| {title} | {len(others)} | {by_distance:.3f} | {by_confidence:.3f} | {shares} |", flush=True)


def auroc(higher: np.ndarray, lower: np.ndarray) -> float:
    return float(mannwhitneyu(higher, lower).statistic) / (len(higher) * len(lower))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
