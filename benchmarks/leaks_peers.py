"""The peers' part of `benchmarks/leaks.py`; runs in their environment. usage: leaks_peers PATHS.json PAIRS.json"""

import json
import sys
from itertools import combinations
from pathlib import Path

from benchmarks.timing import without_operators


def by_cleanvision(paths: list[str]) -> set[tuple[int, int]]:
    from cleanvision import Imagelab

    number = {path: place for place, path in enumerate(paths)}
    lab = Imagelab(filepaths=paths)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=1, verbose=False)
    sets = [some for kind in ("exact_duplicates", "near_duplicates") for some in lab.info[kind]["sets"]]
    return {pair for some in sets for pair in combinations(sorted(number[path] for path in some), 2)}


def by_imagededup(paths: list[str]) -> set[tuple[int, int]]:
    _kept = without_operators()
    from imagededup.methods import PHash

    hasher = PHash(verbose=False)
    encodings = {str(place): hasher.encode_image(path) for place, path in enumerate(paths)}
    found = hasher.find_duplicates(encoding_map=encodings)
    return {(min(one, two), max(one, two)) for one, others in as_numbers(found) for two in others}


def as_numbers(found: dict[str, list[str]]) -> list[tuple[int, list[int]]]:
    return [(int(one), [int(other) for other in others]) for one, others in found.items()]


def main(paths: Path, out: Path) -> None:
    names = json.loads(paths.read_text())
    found = {"cleanvision": by_cleanvision(names), "imagededup": by_imagededup(names)}
    out.write_text(json.dumps({name: sorted(pairs) for name, pairs in found.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
