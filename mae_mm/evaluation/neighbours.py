"""Nearest neighbours of frozen features: of images, and of patches.

Letters in shapes: N samples that are known, Q queries, C features, K classes.
"""
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError

QUERIES = 256  # at a time
NEIGHBOURS = (1, 10, 20, 100)
TEMPERATURE = .07
PATCH_NEIGHBOURS = 30


def neighbours_to_ask(given: Sequence[int] | None, num_train: int) -> list[int]:
    """The numbers of neighbours: those given, or the usual ones that there are training images for.

    Raises:
        ValueError: more than there are training images, or fewer than one.
    """
    for count in given or ():
        if not 0 < count <= num_train:
            raise InputError(f'-k {count}: there are {num_train} training images, so k is 1 to {num_train}')
    return list(given or [count for count in NEIGHBOURS if count <= num_train])


def _nearest(bank: Tensor, queries: Tensor, count: int, temperature: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Votes and ids, ``(Q, count)`` each, of the nearest of ``bank``, nearest first, for some queries at a time.

    Nearness is the cosine, a vote's weight ``exp(cosine / temperature)`` (Wu et al., arXiv:1805.01978, section 3.4).
    """
    bank = F.normalize(bank, dim=1)
    for some in queries.split(QUERIES):
        cosines, ids = (F.normalize(some, dim=1) @ bank.T).topk(count, dim=1)
        yield (cosines / temperature).exp(), ids


def neighbours_accuracy(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], counts: Sequence[int],
                        temperature: float = TEMPERATURE) -> list[float]:
    """Top-1, from 0 to 1, on ``test`` by the votes of the k nearest of ``train``, for each k of ``counts``.

    Args:
        train: ``(N, C)`` features and ``(N,)`` classes.
        test: the same of those that are classified.
    """
    num_classes = int(max(train[1].max(), test[1].max())) + 1
    right = torch.zeros(len(counts))
    found = _nearest(train[0], test[0], max(counts), temperature)
    for labels, (votes, ids) in zip(test[1].split(QUERIES), found, strict=True):
        classes = train[1][ids]  # Q k
        for i, count in enumerate(counts):
            sums = votes.new_zeros(len(votes), num_classes).scatter_add_(1, classes[:, :count], votes[:, :count])
            right[i] += (sums.argmax(dim=1) == labels).sum().item()
    return (right / len(test[1])).tolist()


def neighbours_shares(bank: Tensor, shares: Tensor, queries: Tensor, count: int = PATCH_NEIGHBOURS,
                      temperature: float = TEMPERATURE) -> Tensor:
    """``(Q, K)``: the classes of patches by those of their nearest ones, whose votes are shares of classes.

    Args:
        bank: ``(N, C)`` patches, of which ``shares``, ``(N, K)``, are known.
        queries: ``(Q, C)``.
    """
    results = []
    for votes, ids in _nearest(bank, queries, min(count, len(bank)), temperature):
        weights = votes / votes.sum(dim=1, keepdim=True)
        results.append(torch.einsum('qk,qkc->qc', weights, shares[ids]))
    return torch.cat(results)
