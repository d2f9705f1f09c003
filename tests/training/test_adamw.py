import torch
from torch import nn

from genus.training.adamw import AdamW


def test_it_is_the_adamw_of_torch() -> None:
    ours, theirs = nn.Linear(7, 3), nn.Linear(7, 3)
    theirs.load_state_dict(ours.state_dict())
    optimizer, reference = AdamW(list(ours.parameters()), 0.3), torch.optim.AdamW(theirs.parameters(), weight_decay=0.3)
    for step in range(50):
        inputs, lr = torch.randn(5, 7), 0.1 / (1 + step)
        for group in reference.param_groups:
            group["lr"] = lr
        for layer in (ours, theirs):
            layer(inputs).square().mean().backward()
        optimizer.step(lr)
        reference.step()
        reference.zero_grad()
    assert optimizer.steps == 50
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert own.grad is None
        assert torch.allclose(own, other, atol=1e-5)
