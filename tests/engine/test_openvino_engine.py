"""OpenVINO says what torch says, for every family, and nothing to anybody else."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from genus.engine.openvino_engine import OpenVinoEngine
from genus.engine.torch_engine import TorchEngine
from genus.models.backbone import WithoutHead, module, to_device
from genus.types import Preprocess
from tests.models.closeness import randomise
from tests.models.test_registry import SMALLEST, tiny

CPU = torch.device("cpu")


def network(name: str) -> WithoutHead:
    model = tiny(name, **({"image_size": 48} if name.startswith(("vit", "dino")) else {}))
    randomise(module(model))
    to_device(model, CPU)
    return WithoutHead(model).eval()


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 48, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", SMALLEST)
def test_fp32_is_equal_and_bf16_is_near(name: str) -> None:
    """Also for a last batch that is not full, and for more pictures than one batch."""
    preprocess, whole = Preprocess(48), network(name)
    reference = TorchEngine(whole, preprocess, CPU)(noise(19))
    exact = OpenVinoEngine(whole, preprocess, "fp32", workers=2)
    assert exact(noise(19)).shape == reference.shape
    assert np.abs(exact(noise(19)) - reference).max() <= 1e-4 * np.abs(reference).max()
    assert np.array_equal(exact(noise(19))[:3], exact(noise(3)))
    near = OpenVinoEngine(whole, preprocess, "bf16", workers=2)(noise(19))
    cosine = (near * reference).sum(1) / np.linalg.norm(near, axis=1) / np.linalg.norm(reference, axis=1)
    assert cosine.min() > 0.999


def test_many_threads_get_the_answers_of_one() -> None:
    engine = OpenVinoEngine(network("efficientnet_lite0"), Preprocess(48), "fp32", workers=3)
    batches = [noise(8, seed) for seed in range(12)]
    alone = [engine(pixels) for pixels in batches]
    with ThreadPoolExecutor(3, initializer=engine.enter_thread) as pool:
        assert all(map(np.array_equal, alone, pool.map(engine, batches)))


def test_nothing_is_reported_to_the_makers() -> None:
    code = (
        "import sys\nfrom genus.engine.openvino_engine import _import_quietly\n_import_quietly()\n"
        "sys.exit(sys.modules.get('openvino_telemetry') is not None)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
