"""What queries are trained on: each is matched to an object or to none, and masks are compared at sampled points.

The loss of Mask2Former (arXiv:2112.01527) and EoMT (arXiv:2503.19108).

Letters in shapes: B batch, Q queries, K classes, n objects of an image, M matched pairs of a batch, P points, h w a
predicted mask's sides, H W a label map's.
"""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor

CLASS, MASK, DICE = 2., 5., 5.  # the losses' weights, and those of the costs of a match
NO_OBJECT = .1  # what a query without an object weighs in the loss of classes
OVERSAMPLE, IMPORTANT = 3., .75  # points are drawn thrice, and three quarters of those kept are the least certain ones


class Objects(NamedTuple):
    """What is to be found in an image."""
    classes: Tensor  # n
    masks: Tensor  # n H W, 0 or 1, float
    counted: Tensor | None  # H W, 0 or 1, float: 0 for pixels that are ignored; None if none is


def objects_of(labels: Tensor, ignore_index: int) -> Objects:
    """The classes that occur in a ``(H, W)`` label map, each as one object."""
    counted = labels != ignore_index
    classes = labels.unique()
    classes = classes[classes != ignore_index]
    return Objects(classes, (labels == classes[:, None, None]).float(), None if counted.all() else counted.float())


def sample(maps: Tensor, points: Tensor, mode: str = 'bilinear') -> Tensor:
    """``(N, C, h, w)`` maps at ``(N, P, 2)`` points, x before y from 0 to 1 over the image: ``(N, C, P)``."""
    return F.grid_sample(maps, 2 * points[:, :, None] - 1, mode=mode, align_corners=False).squeeze(3)


def pair_costs(logits: Tensor, scores: Tensor, truth: Tensor, classes: Tensor, counted: Tensor) -> Tensor:
    """What it costs to match each query with each object: ``(Q, n)``.

    Args:
        logits: ``(Q, P)``, of masks at points.
        scores: ``(Q, K + 1)``, of classes, the last for no object.
        truth: ``(n, P)``.
        classes: ``(n, )``.
        counted: ``(P, )``: 0 for points that do not count.
    """
    weights = counted / counted.sum().clamp(min=1)
    # The cross entropy of x and t is softplus(x) - x t.
    crossed = (F.softplus(logits) * weights).sum(1, keepdim=True) - (logits * weights) @ truth.t()
    shares, truth = logits.sigmoid() * counted, truth * counted
    dice = 1 - (2 * shares @ truth.t() + 1) / (shares.sum(1, keepdim=True) + truth.sum(1) + 1)
    return MASK * crossed + DICE * dice - CLASS * scores.softmax(dim=1)[:, classes]


@torch.no_grad()
def match(masks: Tensor, scores: Tensor, objects: Sequence[Objects], num_points: int) -> list[tuple[Tensor, Tensor]]:
    """Of each image the queries and the objects that belong together, at the lowest cost in all.

    Args:
        masks: ``(B, Q, h, w)`` logits.
        scores: ``(B, Q, K + 1)`` logits.
    """
    costs = []
    for mask, score, found in zip(masks, scores, objects, strict=True):
        points = torch.rand(1, num_points, 2, device=masks.device)
        logits, truth = sample(mask[None], points)[0], sample(found.masks[None], points)[0]
        costs.append(pair_costs(logits, score, truth, found.classes, _counted(found.counted, points)[0]))
    flat = torch.cat([cost.flatten() for cost in costs]).cpu()  # one wait for all
    pairs = []
    for cost, values in zip(costs, flat.split([cost.numel() for cost in costs]), strict=True):
        pairs.append(assign(values.view(cost.shape)))
    return [(queries.to(masks.device), found.to(masks.device)) for queries, found in pairs]


def assign(costs: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of a ``(Q, n)`` matrix, one of each at most, whose costs add up to the least (Hungarian).

    What is not finite is matched last: the loss tells of it.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import
    finite = torch.nan_to_num(costs.double(), nan=1e30, posinf=1e30, neginf=-1e30)
    rows, columns = linear_sum_assignment(finite.numpy())
    return torch.from_numpy(rows), torch.from_numpy(columns)


def _counted(counted: Tensor | None, points: Tensor) -> Tensor:
    """``(N, P)``: 1 for points that count, of one label map's ``counted``."""
    if counted is None:
        return points.new_ones(points.shape[:2])
    return sample(counted[None, None].expand(len(points), -1, -1, -1), points, mode='nearest')[:, 0]


@torch.no_grad()
def important_points(masks: Tensor, num_points: int) -> Tensor:
    """Points at which ``(M, 1, h, w)`` masks are uncertain, and some anywhere: ``(M, P, 2)``."""
    points = torch.rand(len(masks), int(num_points * OVERSAMPLE), 2, device=masks.device)
    num_important = int(IMPORTANT * num_points)
    uncertain = sample(masks, points)[:, 0].abs().topk(num_important, dim=1, largest=False).indices
    chosen = torch.take_along_dim(points, uncertain[..., None], dim=1)
    others = torch.rand(len(masks), num_points - num_important, 2, device=masks.device)
    return torch.cat([chosen, others], dim=1)


def mask_losses(logits: Tensor, truth: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy and dice loss of ``(M, P)`` logits and values from 0 to 1; ``(M, )`` each."""
    crossed = F.binary_cross_entropy_with_logits(logits, truth, reduction='none')
    shares, truth = logits.sigmoid() * counted, truth * counted
    dice = 1 - (2 * (shares * truth).sum(1) + 1) / (shares.sum(1) + truth.sum(1) + 1)
    return (crossed * counted).sum(1) / counted.sum(1).clamp(min=1), dice


def class_loss(scores: Tensor, objects: Sequence[Objects], pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The mean cross entropy of ``(B, Q, K + 1)`` scores; an image of which nothing is known has none."""
    no_object = scores.shape[2] - 1
    wanted = torch.full(scores.shape[:2], no_object, device=scores.device)
    weights = scores.new_full(scores.shape[:2], NO_OBJECT)
    for i, (found, (queries, places)) in enumerate(zip(objects, pairs, strict=True)):
        wanted[i, queries], weights[i, queries] = found.classes[places], 1.
        if found.counted is not None:
            weights[i] *= found.counted.any()
    losses = F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), reduction='none')
    return (losses * weights.flatten()).sum() / weights.sum().clamp(min=NO_OBJECT)


def query_losses(masks: Tensor, scores: Tensor, objects: Sequence[Objects], num_points: int) -> dict[str, Tensor]:
    """The losses of one prediction: ``(B, Q, h, w)`` masks and ``(B, Q, K + 1)`` scores, both logits."""
    masks, scores = masks.float(), scores.float()
    pairs = match(masks, scores, objects, num_points)
    number = masks.new_tensor(float(sum(len(found.classes) for found in objects)))
    all_reduce(number, 'mean')
    crossed = dice = masks.sum() * 0  # of a batch without objects
    if any(len(queries) for queries, _ in pairs):
        chosen = torch.cat([mask[queries] for mask, (queries, _) in zip(masks, pairs, strict=True)])[:, None]
        points = important_points(chosen, num_points)  # M P 2
        of_images = points.split([len(queries) for queries, _ in pairs])
        truth = torch.cat([sample(found.masks[places][:, None], part)[:, 0] for found, (_, places), part in zip(
            objects, pairs, of_images, strict=True) if len(places)])
        counted = torch.cat([_counted(found.counted, part) for found, part in zip(objects, of_images, strict=True)
                             if len(part)])
        crossed, dice = (loss.sum() for loss in mask_losses(sample(chosen, points)[:, 0], truth, counted))
    number = number.clamp(min=1)
    return dict(loss_mask=MASK * crossed / number, loss_dice=DICE * dice / number,
                loss_cls=CLASS * class_loss(scores, objects, pairs))
