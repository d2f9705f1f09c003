"""How many planted label errors does `genus evaluate --label-errors` find? usage: labels FOLDER [MODEL [WEIGHTS]]

5 % of the labels, in all parts, are changed to a random other class; then a run is trained and studied.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import machine
from genus import api
from genus.data.folder import scan
from genus.files import csv_text
from genus.run import Run
from genus.types import ignore_events
from genus.workflows.tasks.studies import find_label_errors

SHARE, SEEDS = 0.05, 3


def main(folder: Path, model: str = "efficientnet_lite0", weights: str | None = None) -> None:
    machine()
    catalog = scan(folder)
    pictures, classes = catalog.pictures, list(catalog.classes)
    count = round(SHARE * len(pictures))
    print(f"\n{model}, {count} of {len(pictures)} labels changed\n")
    print("| seed | confident: listed | found of the planted | planted of the listed | all: listed | found | planted |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            planted = {pictures[place].path for place in rng.choice(len(pictures), count, replace=False)}
            rows = []
            for picture in pictures:
                others = [label for label in classes if label != picture.label]
                label = others[rng.integers(len(others))] if picture.path in planted else picture.label
                rows.append((picture.path, label, picture.part))
            table = Path(name) / f"{seed}.csv"
            table.write_text(csv_text([("path", "label", "split"), *rows]), encoding="utf-8")
            run = api.train(table, model=model, weights=weights, out=Path(name) / str(seed)).run
            mislabelled = find_label_errors(Run(run), "auto", ignore_events)
            numbers = []
            for listed in ([one.path for one in mislabelled if one.confident], [one.path for one in mislabelled]):
                hits = len(planted & set(listed))
                numbers += [str(len(listed)), f"{hits / count:.2f}", f"{hits / len(listed):.2f}"]
            print(f"| {seed} | {' | '.join(numbers)} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
