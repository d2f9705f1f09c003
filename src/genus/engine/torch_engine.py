"""torch behind the one call: pixels in, numbers out."""

import copy
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from genus.data.loader import Pixels, fill
from genus.engine.device import autocast
from genus.models.efficientnet_lite import ConvNorm
from genus.types import Note, OnEvent, Precision, Preprocess

CPU_BATCH = 8  # what stays in a processor's cache; measured in docs/benchmarks.md
DEVICE_BATCH = 64
WORTH_COMPILING = 300.0  # seconds of work from which on compiling, which takes about a minute, wins its time back
_ON_A_CARD = ThreadPoolExecutor(1, thread_name_prefix="genus-card")
"""Does what is computed on a graphics card: cuDNN chooses its kernels in every thread anew, which takes seconds."""


def batch_size_on(device: torch.device) -> int:
    """How many pictures at a time suit a device."""
    return CPU_BATCH if device.type == "cpu" else DEVICE_BATCH


class TorchEngine:
    """Runs ``network`` on uint8 pixels: normalises as ``preprocess`` says, in eval mode, without gradients.

    ``network`` (B x 3 x S x S, normalised -> B x K) already lies on ``device``; later changes of its weights may or may
    not be seen. Calls are independent of each other and may come from several threads.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocess: Preprocess,
        device: torch.device,
        precision: Precision = "fp32",
    ) -> None:
        self._network = without_batch_norm(network.eval())
        self._compute: Callable[[Tensor], Tensor] = self._network
        self.name = f"torch {torch.__version__}"
        self._normalise = Normalise(preprocess).to(device)
        self._device = device
        self._precision = precision
        self.batch_size = batch_size_on(device)

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """pixels: B x S x S x 3 uint8, sRGB -> B x K float32, what the network returns for them."""
        if self._device.type == "cpu":
            return self._rows(pixels)
        return _ON_A_CARD.submit(self._rows, pixels).result()

    def _rows(self, pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode(), autocast(self._device, self._precision):
            filled = torch.from_numpy(fill(pixels, self._computed_for(len(pixels))))
            rows = self._compute(self._normalise(filled.to(self._device, non_blocking=True)))
            return rows[: len(pixels)].float().cpu().numpy()

    def _computed_for(self, pictures: int) -> int:
        """The size of batch that so many pictures go through in. Kernels are compiled, and on a graphics card chosen,
        for each size anew, which takes seconds: there are few."""
        if self._compute is not self._network:
            return pictures + -pictures % self.batch_size
        return pictures if self._device.type == "cpu" else 1 << (pictures - 1).bit_length()

    def enter_thread(self) -> None:
        """On a processor, one thread for each of those that compute side by side."""
        if self._device.type == "cpu":
            torch.set_num_threads(1)

    def compile(self) -> None:
        """Let torch compile the network, at the first call, for batches of one size. That call may raise anything."""
        self.name, self._compute = f"torch {torch.__version__} compiled", compiled(self._network)

    def uncompile(self) -> None:
        """Undo ``compile``."""
        self.name, self._compute = f"torch {torch.__version__}", self._network


class Normalise(nn.Module):
    """B x H x W x 3 uint8 -> B x 3 x H x W float32, (value / 255 - mean) / std; channels last in memory."""

    factor: Tensor
    offset: Tensor

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        mean, std = torch.tensor(preprocess.mean), torch.tensor(preprocess.std)
        self.register_buffer("factor", 1 / (255 * std), persistent=False)
        self.register_buffer("offset", -mean / std, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.addcmul(self.offset, pixels.float(), self.factor).permute(0, 3, 1, 2)


def compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """``network``, compiled at its first call with an input of some size; that call may raise anything."""
    return torch.compile(network, dynamic=False)


def compile_or_leave(
    turn_on: Callable[[], None], turn_off: Callable[[], None], first_call: Callable[[], object], on_event: OnEvent
) -> None:
    """Turn compiling on, or off again where the first call fails: torch needs a C++ compiler or Triton for it."""
    try:
        turn_on()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice of the compiler to the author of a network
            first_call()
    except Exception as error:  # whatever the compiler and its tools raise
        turn_off()
        on_event(Note(f"Compiling failed ({type(error).__name__}); going on without."))


def without_batch_norm(network: nn.Module) -> nn.Module:
    """A copy of ``network`` (in eval mode) whose convolutions do the work of the batch norms behind them, equal up to
    rounding; ``network`` itself where there is nothing to fold."""
    if not any(_pairs(part) for part in network.modules()):
        return network
    folded = copy.deepcopy(network)
    for part in folded.modules():
        for name, name_of_norm in _pairs(part):
            convolution, norm = getattr(part, name), getattr(part, name_of_norm)
            convolution.weight, convolution.bias = fuse_conv_bn_weights(
                convolution.weight, convolution.bias,
                norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias,
            )  # fmt: skip
            setattr(part, name_of_norm, nn.Identity())
    return folded


def _pairs(part: nn.Module) -> list[tuple[str, str]]:
    """Names of a convolution and the batch norm that follows it, where the order of work is certain."""
    if not isinstance(part, nn.Sequential | ConvNorm):
        return []
    children = list(part.named_children())
    return [
        (first, second)
        for (first, convolution), (second, norm) in pairwise(children)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]
