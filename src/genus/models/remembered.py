"""Tables that depend on sizes alone: computed once, whether torch compiles the network or not."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def remembered(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """``function`` with a memory for the results of 64 calls, whose arguments must be hashable.

    A compiler looks past the memory into the function: what it finds there becomes part of the compiled network.
    """
    cached = lru_cache(maxsize=64)(function)

    @wraps(function)
    def look_up(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        return function(*arguments, **named) if torch.compiler.is_compiling() else cached(*arguments, **named)  # type: ignore[arg-type]

    return look_up
