"""What can be tested on a graphics card only."""

import pytest
import torch

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_card)]
