"""Attentive probes: what a classifier makes of the patches that learned queries attend to.

Letters in shapes: B batch, P patches, C channels, Q queries, K classes.
"""
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

QUERIES = 16  # of efficient probing; fewer if they do not divide the width
STEPS, BATCH = 600, 256
RATE, DECAY = 2e-2, 1e-3
POOLINGS = ('attention', 'efficient')

Read = Callable[[Tensor], Tensor]  # sorted places of images -> B P C


class AttentiveProbes(nn.Module):
    """Two poolings side by side, each with a linear classifier after a batch norm without affine.

    They share the pass over the patches alone.

    ``attention``: one learned query, and the mean of the patches by its attention. ``efficient``: efficient probing
    (Psomas et al., arXiv:2506.10178): many queries, keys that are the patches themselves, and values of which each
    query pools a part of the channels; no other projection.

    Args:
        mean, std: ``(C,)``, of the patches. Attention does not change if the mean is taken off the keys, and a mean
            by weights that sum to 1 is standardised as well after pooling: the patches stay as they are.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, std: Tensor, num_classes: int, queries: int = QUERIES):
        super().__init__()
        width = len(mean)
        queries = math.gcd(queries, width)
        self.register_buffer('mean', mean)
        self.register_buffer('scale', 1 / std.clamp_min(1e-6))
        self.queries = nn.Parameter(torch.randn(1 + queries, width) * .02)
        self.values = nn.Parameter(torch.randn(queries, width, width // queries) * width**-.5)
        self.norms = nn.ModuleList([nn.BatchNorm1d(width, affine=False) for _ in POOLINGS])
        self.heads = nn.ModuleList([nn.Linear(width, num_classes) for _ in POOLINGS])

    def forward(self, patches: Tensor) -> list[Tensor]:
        """``(B, P, C)`` to the logits of each pooling, ``(B, K)``."""
        keys = self.queries * self.scale  # 1+Q C
        weights = (patches @ keys.T).mul(patches.shape[-1]**-.5).softmax(dim=1)  # B P 1+Q
        pooled = (weights.transpose(1, 2) @ patches - self.mean) * self.scale  # B 1+Q C
        efficient = torch.einsum('bqc,qcd->bqd', pooled[:, 1:], self.values).flatten(1)  # B C
        return [head(norm(tokens)) for head, norm, tokens in zip(
            self.heads, self.norms, (pooled[:, 0], efficient), strict=True)]


def statistics(read: Read, number: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel over the patches of at most 2,000 images, evenly spread."""
    some = read(torch.arange(0, number, max(1, number // 2000))).flatten(0, 1)
    return some.mean(dim=0), some.std(dim=0)


def train(read: Read, labels: Tensor, num_classes: int, steps: int = STEPS, batch: int = BATCH,
          seed: int = 0) -> AttentiveProbes:
    """Both poolings on the patches of images with ``labels``, by AdamW and a rate that falls along a cosine."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probes = AttentiveProbes(*statistics(read, len(labels)), num_classes)
    probes.to(labels.device)
    optimizer = torch.optim.AdamW(probes.parameters(), lr=RATE, weight_decay=DECAY)
    order = torch.Generator().manual_seed(seed)
    batch, ids = min(batch, len(labels)), torch.empty(0, dtype=torch.long)
    for step in range(steps):
        for group in optimizer.param_groups:
            group['lr'] = RATE * (.5 + .5 * math.cos(math.pi * step / steps))
        if len(ids) < batch:
            ids = torch.randperm(len(labels), generator=order)
        chosen, ids = ids[:batch].sort().values, ids[batch:]
        wanted = labels[chosen]
        loss = torch.stack([F.cross_entropy(logits, wanted) for logits in probes(read(chosen))]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return probes.eval()


@torch.no_grad()
def accuracies(probes: AttentiveProbes, read: Read, labels: Tensor, batch: int = 2 * BATCH) -> list[float]:
    """Top-1, from 0 to 1, of each pooling."""
    right = torch.zeros(len(POOLINGS))
    for ids in torch.arange(len(labels)).split(batch):
        for i, logits in enumerate(probes(read(ids))):
            right[i] += (logits.argmax(dim=1) == labels[ids]).sum().item()
    return (right / len(labels)).tolist()
