"""AutoGluon's part of `benchmarks/autogluon.py`; runs in its environment. Prints seconds of `fit` and test accuracy."""

import json
import sys
import time
from pathlib import Path

from benchmarks.timing import import_timm


def pictures(folder: Path) -> list[dict[str, str]]:
    """Path and label of every picture."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [{"image": str(path), "label": path.parent.name} for path in paths]


def main(folder: Path, weights: Path, place: Path, limit: int) -> None:
    _timm, _kept = import_timm()
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    train, test = (pd.DataFrame(pictures(folder / part)) for part in ("train", "test"))
    start = time.perf_counter()
    predictor = MultiModalPredictor(label="label", problem_type="multiclass", path=str(place))
    network = {"model.names": ["timm_image"], "model.timm_image.checkpoint_name": str(weights), "env.num_gpus": 0}
    predictor.fit(train, time_limit=limit, hyperparameters=network)
    seconds = time.perf_counter() - start
    accuracy = float(predictor.evaluate(test, metrics=["acc"])["acc"])
    print(json.dumps({"seconds": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
