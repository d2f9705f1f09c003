import numpy as np
import torch

from genus.training.adamw import AdamW


def test_it_is_the_adamw_of_torch() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=24).astype(np.float32)
    theirs = torch.nn.Parameter(torch.from_numpy(values.copy()))
    ours, reference = AdamW(values, weight_decay=0.3), torch.optim.AdamW([theirs], weight_decay=0.3)
    for step in range(50):
        gradient, lr = rng.normal(size=24).astype(np.float32), 0.1 / (1 + step)
        reference.param_groups[0]["lr"] = lr
        theirs.grad = torch.from_numpy(gradient)
        ours.step(gradient, lr)
        reference.step()
    assert ours.steps == 50
    np.testing.assert_allclose(values, theirs.detach().numpy(), atol=1e-5)
