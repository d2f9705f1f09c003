"""The linear layer of transformers: one small matrix for very many tokens."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# From so many tokens a channel on, the convolution is faster (docs/benchmarks.md, "Linear layers").
TOKENS_PER_CHANNEL = 2
TOKENS_PER_CHANNEL_LEARNING = 12


class TokenLinear(nn.Linear):
    """``nn.Linear``; on a processor computed as what it also is, a 1 x 1 convolution.

    oneDNN's convolution adds the bias in passing, forward and backward, and suits matrices that are long and narrow;
    the matrix product first fills its result with the bias, and is faster where tokens are few.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if not self._as_convolution(tokens):
            return super().forward(tokens)
        maps = tokens.reshape(1, -1, 1, self.in_features).permute(0, 3, 1, 2)  # 1 x in x tokens x 1, channels last
        maps = F.conv2d(maps, self.weight[:, :, None, None], self.bias)
        return maps.permute(0, 2, 3, 1).reshape(*tokens.shape[:-1], self.out_features)

    def _as_convolution(self, tokens: Tensor) -> bool:
        if tokens.device.type != "cpu" or torch.compiler.is_compiling() or not torch.backends.mkldnn.is_available():
            return False
        per_channel = tokens.numel() // self.in_features / min(self.in_features, self.out_features)
        return per_channel >= (TOKENS_PER_CHANNEL_LEARNING if torch.is_grad_enabled() else TOKENS_PER_CHANNEL)
