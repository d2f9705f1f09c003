"""Networks compiled by torch: kernels made to measure, which pays where much is computed."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genus.types import Note, OnEvent

LONG = 300.0  # seconds of work from which on compiling, which takes about a minute, wins its time back


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
