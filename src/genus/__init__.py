"""genus: name every picture.

    import genus

    result = genus.train("photos/")
    print(result.test.accuracy, genus.load(result.run).predict("new.jpg"))

Names are loaded when they are first used, so that importing genus costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genus.api import check as check
    from genus.api import compare as compare
    from genus.api import evaluate as evaluate
    from genus.api import explain as explain
    from genus.api import train as train
    from genus.errors import GenusError as GenusError
    from genus.predictor import Predictor as Predictor
    from genus.predictor import load as load
    from genus.types import Prediction as Prediction
    from genus.types import Preprocess as Preprocess

_HOMES = {
    "GenusError": "genus.errors",
    "Prediction": "genus.types",
    "Predictor": "genus.predictor",
    "Preprocess": "genus.types",
    "check": "genus.api",
    "compare": "genus.api",
    "evaluate": "genus.api",
    "explain": "genus.api",
    "load": "genus.predictor",
    "train": "genus.api",
}

__version__ = version("genus")
__all__ = [
    "GenusError",
    "Prediction",
    "Predictor",
    "Preprocess",
    "check",
    "compare",
    "evaluate",
    "explain",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'genus' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
