"""Self-attention, from two vectors to many heads, on one page.

A token asks a question (its query q), every token offers a key k and carries a value v. How well q and k match,
q · k / √d, decides how much of v flows to the asker:

    attention(q, k, v) = softmax(q kᵀ / √d + bias) v          Vaswani et al. 2017, "Attention Is All You Need", §3.2

With q = (1, 2), k₁ = (1, 1), k₂ = (0, 1) the scores are 3/√2 = 2.12 and 2/√2 = 1.41.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genus.models.layers import TokenLinear


def attention_scores(query: Tensor, key: Tensor) -> Tensor:
    """q kᵀ / √d. query: (..., N, d), key: (..., M, d) -> (..., N, M)."""
    return (query / query.shape[-1] ** 0.5) @ key.transpose(-2, -1)


def attention_weights(query: Tensor, key: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √d + bias): how much each of N tokens takes from each of M; rows sum to 1.

    query: (..., N, d), key: (..., M, d), bias: broadcastable to (..., N, M) -> (..., N, M).
    """
    scores = attention_scores(query, key)
    return torch.softmax(scores if bias is None else scores + bias, dim=-1)


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √d + bias) v, written out. value: (..., M, e) -> (..., N, e)."""
    return attention_weights(query, key, bias) @ value


def fast_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """``scaled_dot_product_attention`` by whichever code is faster here; equal up to rounding.

    query, key, value: (B, [windows,] heads, N, d); bias: broadcastable to ([windows,] heads, N, N).

    torch's fused kernel never stores the N x M weights, and wins on graphics cards and in fp32. On a processor, the
    formula as written out is about twice as fast in bf16, and a little faster whenever the bias learns, for then the
    kernel falls back to code of its own; on a card a compiler makes more of the formula where windows have a bias and
    nothing learns (docs/benchmarks.md, "Attention" and "On a graphics card").
    """
    learning = bias is not None and bias.requires_grad and torch.is_grad_enabled()
    if query.device.type == "cpu":
        written_out = query.dtype == torch.bfloat16 or learning
    else:
        written_out = torch.compiler.is_compiling() and bias is not None and not learning
    if written_out:
        return scaled_dot_product_attention(query, key, value, bias)
    batch, windows = query.shape[0], query.shape[1:-3]
    if windows:  # the kernel takes four dimensions: the windows go to the pictures
        query, key, value = query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1)
    mask = None if bias is None else bias_of_every_window(bias, batch)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return mixed.unflatten(0, (batch, *windows)) if windows else mixed


def bias_of_every_window(bias: Tensor, batch: int) -> Tensor:
    """([windows,] heads, N, N) -> ([batch · windows,] heads, N, N).

    On a graphics card each row begins at a multiple of 8 numbers: the kernel would otherwise copy all windows of the
    batch to such places.
    """
    tokens = bias.shape[-1]
    if bias.device.type != "cpu":
        bias = F.pad(bias, (0, -tokens % 8))
    if bias.ndim == 4 and bias.shape[0] != 1:
        bias = bias.expand(batch, *bias.shape).flatten(0, 1)
    return bias[..., :tokens]


class MultiHeadSelfAttention(nn.Module):
    """Several attentions side by side, each over its own slice of the channels (Vaswani et al. 2017, §3.2.2).

    One linear layer makes q, k and v of all heads; another mixes what the heads bring back.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{dim} channels cannot be divided among {num_heads} heads")
        self.num_heads = num_heads
        self.qkv = TokenLinear(dim, 3 * dim)
        self.proj = TokenLinear(dim, dim)

    def forward(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """tokens: (B, [windows,] N, dim); bias: broadcastable to ([windows,] heads, N, N) -> as tokens."""
        query, key, value = self.split_heads(tokens)
        bias = None if bias is None else bias.to(query.dtype)
        return self.proj(fast_attention(query, key, value, bias).transpose(-3, -2).flatten(-2))

    def weights(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """The attention weights of every head, for looking at: (B, [windows,] heads, N, N); rows sum to 1."""
        query, key, _ = self.split_heads(tokens)
        return attention_weights(query, key, bias)

    def split_heads(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., N, dim) -> q, k, v of (..., heads, N, dim / heads) each."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.num_heads, -1)).unbind(-3)
        return query.transpose(-3, -2), key.transpose(-3, -2), value.transpose(-3, -2)
