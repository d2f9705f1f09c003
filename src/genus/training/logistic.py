"""Multinomial logistic regression on scaled features, which may lie on disk: SciPy minimises."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from genus.training.scaling import Scaled

STEPS = 300
TOLERANCE = 1e-4  # of the largest component of the gradient


def logistic_regression(
    head: nn.Linear, inputs: Scaled, labels: NDArray[np.int64], c: float, class_weights: tuple[float, ...] | None
) -> None:
    """Bring ``head`` from where it stands to the minimum of mean weighted cross-entropy + |weights|² / (2 c n).

    ``c`` is the inverse strength of the penalty and n the sum of the examples' weights, as scikit-learn has them.
    Quasi-Newton steps (L-BFGS, Nocedal & Wright 2006, §7.2), each one pass over ``inputs``.
    """
    from scipy.optimize import minimize

    truth = torch.from_numpy(labels)
    weight = torch.ones(head.out_features) if class_weights is None else torch.tensor(class_weights)
    total = weight[truth].sum().item()
    penalty = (
        1 / (c * total) * (2 if head.out_features == 2 else 1)
    )  # for two classes scikit-learn has one row, not two

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        _set(head, flat)
        head.zero_grad()
        loss, start = penalty / 2 * float(np.square(head.weight.detach().numpy().astype(np.float64)).sum()), 0
        for piece in inputs.pieces():
            part = F.cross_entropy(head(piece), truth[start : start + len(piece)], weight, reduction="sum") / total
            part.backward()
            loss, start = loss + part.item(), start + len(piece)
        assert head.weight.grad is not None
        assert head.bias.grad is not None
        gradient = torch.cat([(head.weight.grad + penalty * head.weight.detach()).flatten(), head.bias.grad])
        return loss, gradient.double().numpy()

    begin = torch.cat([head.weight.detach().flatten(), head.bias.detach()]).double().numpy()
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "gtol": TOLERANCE})
    _set(head, found.x)
    head.zero_grad()


def _set(head: nn.Linear, flat: NDArray[np.float64]) -> None:
    values = torch.from_numpy(flat).float()
    with torch.no_grad():
        head.weight.copy_(values[: head.weight.numel()].view_as(head.weight))
        head.bias.copy_(values[head.weight.numel() :])
