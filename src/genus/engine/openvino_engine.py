"""OpenVINO behind the one call: the fastest way through most networks on a plain processor (extra ``fast``)."""

import importlib.util
import sys
import threading
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from genus.data.loader import Pixels, fill
from genus.engine.torch_engine import Normalise, without_batch_norm
from genus.types import Precision, Preprocess


def installed() -> bool:
    """Is the package there?"""
    return importlib.util.find_spec("openvino") is not None


def name() -> str:
    """Package and version."""
    return f"openvino {version('openvino')}"


class OpenVinoEngine:
    """Runs a copy of ``network``, converted for the processor, on uint8 pixels.

    Converting takes seconds. All pictures go through in batches of ``batch_size``: smaller ones are filled up.
    As many threads as ``workers`` may call it side by side, each with a core of its own.
    """

    batch_size = 8

    def __init__(self, network: nn.Module, preprocess: Preprocess, precision: Precision, workers: int) -> None:
        openvino = _import_quietly()
        self.name = name()
        example = torch.zeros(self.batch_size, preprocess.size, preprocess.size, 3, dtype=torch.uint8)
        whole = nn.Sequential(Normalise(preprocess), without_batch_norm(network.eval())).eval()
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch and OpenVINO have to say to each other about tracing
            whole(example[:1])  # fills the caches of masks and tables, which tracing would take for part of the network
            converted = openvino.convert_model(
                torch.jit.trace(whole, example, check_trace=False), example_input=example
            )
        converted.reshape(list(example.shape))
        self._compiled = openvino.Core().compile_model(
            converted,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
                "INFERENCE_NUM_THREADS": workers,
                "NUM_STREAMS": workers,
            },
        )
        self._own = threading.local()

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """pixels: B x S x S x 3 uint8, sRGB -> B x K float32, what the network returns for them."""
        size = self.batch_size
        return np.concatenate([self._one_batch(pixels[start : start + size]) for start in range(0, len(pixels), size)])

    def enter_thread(self) -> None:
        """A request of its own for each thread."""
        self._own.request = self._compiled.create_infer_request()

    def _one_batch(self, pixels: Pixels) -> NDArray[np.float32]:
        if not hasattr(self._own, "request"):
            self.enter_thread()
        return np.array(self._own.request.infer(fill(pixels, self.batch_size))[0][: len(pixels)])


def _import_quietly() -> Any:
    """The package without its telemetry, which would report every import and conversion to its makers."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
