"""Linear probes: many multinomial regressions on the same features, trained at once as one product.

Letters in shapes: N samples, C features, K classes, G members of the sweep.
"""
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# The members of the sweep: each rate with each penalty. A rate of 1 is the largest that is safe; see `train`.
RATES = (.1, 1.)
PENALTIES = tuple(10**(power / 2) for power in range(-12, 1))
UNCHOSEN = (1., .01)
STEPS, BATCH = 300, 512
MOMENTUM = .9
TINY = 1e-8


class Standard(NamedTuple):
    """What makes features have mean 0 and variance 1, each by itself, and then uncorrelated."""
    mean: Tensor  # C
    to_principal: Tensor  # C C: the deviations' inverses times the axes
    variances: Tensor  # C, along the axes

    def __call__(self, features: Tensor) -> Tensor:
        return (features.to(self.mean) - self.mean) @ self.to_principal


def standard_of(features: Tensor) -> Standard:
    """Of ``(N, C)`` features; what is constant stays 0."""
    mean, std = features.mean(dim=0), features.std(dim=0, correction=0)
    scale = torch.where(std > 1e-6 * (1 + mean.abs()), 1 / std.clamp_min(torch.finfo(std.dtype).tiny), 0)
    centred = (features - mean) * scale
    variances, axes = torch.linalg.eigh((centred.T @ centred / len(features)).double())
    return Standard(mean, scale[:, None] * axes.to(mean), variances.clamp_min(0).to(mean))


class Linear(NamedTuple):
    """G linear classifiers of standardised features."""
    weights: Tensor  # K G C
    biases: Tensor  # K G 1

    def __call__(self, features: Tensor) -> Tensor:
        """``(N, C)`` to logits, ``(K, G, N)``: kernels are fast along the last axis, and classes may be few."""
        return (self.weights.flatten(0, 1) @ features.T).unflatten(0, self.weights.shape[:2]) + self.biases

    def member(self, place: int) -> 'Linear':
        return Linear(self.weights[:, place:place + 1], self.biases[:, place:place + 1])


def train(features: Tensor, targets: Tensor, variances: Tensor, rates: Sequence[float], penalties: Sequence[float],
          steps: int = STEPS, batch: int = BATCH, seed: int = 0) -> Linear:
    """Minimise ``mean cross entropy + penalty / 2 * |weights|^2`` for each pair of a rate and a penalty.

    Stochastic gradients with Nesterov's momentum and a rate that falls along a cosine. Each axis has a step of its
    own, the inverse of a bound of the loss's curvature along it (Boehning, 1992: half the variance), so that a rate
    of 1 neither diverges nor crawls, whatever the features' scales.

    Args:
        features: ``(N, C)``, of a :class:`Standard`.
        targets: ``(N, K)``, the share of each class in a sample; a sample of less than 1 weighs less.
        variances: ``(C,)``, the standard's.
        rates, penalties: of the G members, side by side.
    """
    rate, penalty = (torch.tensor(values).to(features)[None, :, None] for values in (rates, penalties))  # 1 G 1
    weights = features.new_zeros(targets.shape[1], len(rates), features.shape[1])
    biases = torch.zeros_like(weights[..., :1])
    speed_w, speed_b = torch.zeros_like(weights), torch.zeros_like(biases)
    step_w = rate / (variances / 2 + penalty + TINY)  # 1 G C
    for fall, chosen in _batches(len(features), steps, batch, seed):
        rows, wanted = features[chosen], targets[chosen].T[:, None]  # B C, K 1 B
        ahead = Linear(weights + MOMENTUM * speed_w, biases + MOMENTUM * speed_b)
        error = ahead(rows).softmax(dim=0)  # K G B
        error = error.mul_(wanted.sum(dim=0)).sub_(wanted).div_(len(rows))
        grad = torch.addmm((penalty * ahead.weights).flatten(0, 1), error.flatten(0, 1), rows).view_as(weights)
        speed_w.mul_(MOMENTUM).addcmul_(step_w, grad, value=-fall)
        speed_b.mul_(MOMENTUM).addcmul_(2 * rate, error.sum(dim=-1, keepdim=True), value=-fall)
        weights += speed_w
        biases += speed_b
    return Linear(weights, biases)


def _batches(number: int, steps: int, batch: int, seed: int) -> Iterator[tuple[float, Any]]:
    """For each step how far the rate has fallen, and the samples; all of them if they are no more than a batch."""
    order = torch.Generator().manual_seed(seed)
    ids = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(ids) < batch < number:
            ids = torch.randperm(number, generator=order)
        yield .5 + .5 * math.cos(math.pi * step / steps), ids[:batch] if batch < number else slice(None)
        ids = ids[batch:]


class Classifier(NamedTuple):
    """A linear classifier of features as they are."""
    standard: Standard
    linear: Linear
    rate: float
    penalty: float

    def scores(self, features: Tensor) -> Tensor:
        """``(N, C)`` to logits, ``(N, K)``."""
        return self.linear(self.standard(features))[:, 0].T


def fit(features: Tensor, targets: Tensor, fitting: Tensor, choosing: Tensor, score: Callable[[Tensor], Tensor],
        seed: int = 0) -> Classifier:
    """The best of the sweep: all members are trained on some samples and compared on others, and the best on all.

    Args:
        features: ``(N, C)``.
        targets: ``(N, K)``; see :func:`train`.
        fitting, choosing: places of samples; with none to choose by, the settings are ``UNCHOSEN``.
        score: from the logits of those to choose by, ``(K, G, N)``, to the worth of each member, ``(G,)``.
    """
    rate, penalty = UNCHOSEN
    if len(choosing):
        members = [(rate, penalty) for penalty in reversed(PENALTIES) for rate in RATES]
        standard = standard_of(features[fitting])
        rates, penalties = zip(*members, strict=True)
        swept = train(standard(features[fitting]), targets[fitting], standard.variances, rates, penalties, seed=seed)
        worth = score(swept(standard(features[choosing])))
        rate, penalty = members[int(worth.argmax())]  # of equals, one of those with the largest penalty
    standard = standard_of(features)
    linear = train(standard(features), targets, standard.variances, [rate], [penalty], seed=seed)
    return Classifier(standard, linear, rate, penalty)
