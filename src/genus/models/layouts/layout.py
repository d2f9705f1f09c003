"""What a checkpoint layout is: one published way to name the tensors of a model family."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

State = dict[str, Tensor]


def _unchanged(state: State) -> State:
    return state


@dataclass(frozen=True, slots=True)
class Layout:
    """How to turn somebody's tensor names into ours.

    ``signature``: regular expression that matches a key of this layout and no key of the family's other layouts.
    ``renames``: (regular expression, replacement) pairs, applied in order to every key.
    ``dropped``: regular expression for keys that hold no weights (index buffers, masks, counters).
    ``prepare``: reshapes or joins tensors, under the foreign names, before the renaming.
    """

    name: str
    signature: str
    renames: tuple[tuple[str, str], ...] = ()
    dropped: str = r"$^"
    prepare: Callable[[State], State] = _unchanged

    def recognises(self, state: Mapping[str, Tensor]) -> bool:
        """Does one of the keys carry this layout's signature?"""
        return any(re.search(self.signature, key) for key in state)

    def prefixes(self, state: Mapping[str, Tensor]) -> set[str]:
        """What stands before the names of this layout, ``""`` or, in a larger network, for example ``"backbone."``."""
        return {
            key[:start]
            for key in state
            for start in (0, *(dot.end() for dot in re.finditer(r"\.", key)))
            if re.search(self.signature, key[start:])
        }

    def convert(self, state: Mapping[str, Tensor]) -> State:
        """The same tensors under our names."""
        kept = {key: tensor for key, tensor in state.items() if not re.search(self.dropped, key)}
        converted: State = {}
        for key, tensor in self.prepare(kept).items():
            for pattern, replacement in self.renames:
                key = re.sub(pattern, replacement, key)
            converted[key] = tensor
        return converted
