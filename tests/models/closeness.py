"""What "equal" means in every parity test (max |a - b| / max |b|), and how the values inside a model are read."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def assert_equal(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5, what: str = "") -> None:
    assert ours.shape == theirs.shape, f"{what}: {tuple(ours.shape)} is not {tuple(theirs.shape)}"
    scale = theirs.abs().max().clamp(min=1e-12)
    difference = ((ours - theirs).abs().max() / scale).item()
    assert difference <= tolerance, f"{what}: relative difference {difference:.2e} > {tolerance:.0e}"


def outputs_of(modules: Sequence[nn.Module], run: nn.Module, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """What each of ``modules`` returns while ``run(images)`` goes on, and the result of the run."""
    seen: dict[int, Tensor] = {}

    def keep(index: int):  # type: ignore[no-untyped-def]
        def hook(_: nn.Module, __: object, output: object) -> None:
            seen[index] = output[0] if isinstance(output, tuple) else output  # type: ignore[assignment]

        return hook

    handles = [part.register_forward_hook(keep(index)) for index, part in enumerate(modules)]
    try:
        result = run(images)
    finally:
        for handle in handles:
            handle.remove()
    return [seen[index] for index in range(len(modules))], result


def randomise(model: nn.Module, seed: int = 0) -> None:
    """Random values in every parameter and float buffer, so that no zero bias hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if "running_var" in name:
                tensor.copy_(noise.abs() + 0.5)
            elif tensor.ndim >= 2:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)
            else:
                tensor.copy_(noise * 0.1 + (1.0 if "weight" in name else 0.0))
