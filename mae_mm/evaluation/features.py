"""Features of a frozen encoder, and what a logistic regression makes of them."""
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from ..progress import progress_of
from .linear import standard_of
from .linear import train as fit_members

BATCH = 250  # images whose features are computed at a time
PENALTY = .01  # scikit-learn's C, the inverse of the weights' penalty
STEPS = 1000  # of the linear classifier, each on all images


def pooled(model: Any, images: Tensor) -> Tensor:
    """``(B, C)`` float32 on the CPU: what ``model.backbone`` pools, or the mean of its last map over the patches."""
    output = model.backbone(images)[-1]
    output = output if isinstance(output, Tensor) else output[0]  # B C, or B C h w
    return (output.mean(dim=(2, 3)) if output.dim() == 4 else output).float().cpu()


@torch.no_grad()
def mean_features(model: Any, loader: Any) -> tuple[Tensor, Tensor]:
    """What ``model.backbone`` makes of every image of a loader, and the images' labels.

    A map is averaged over its patches; tokens that the backbone has pooled are taken as they are.

    Returns:
        tuple: ``(N, C)`` float32 and ``(N,)`` int64, on the CPU.
    """
    model.eval()
    features, labels = [], []
    with progress_of(len(loader.dataset)) as progress:
        for batch in loader:
            batch = model.data_preprocessor(batch, False)
            features.append(pooled(model, batch['inputs']))
            labels += [sample.gt_label.item() for sample in batch['data_samples']]
            progress.update(len(features[-1]))
    return torch.cat(features), torch.tensor(labels)


def linear_accuracy(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
    """Top-1, from 0 to 1, on ``test`` of multinomial logistic regression on the standardised features of ``train``.

    The optimum that scikit-learn's ``LogisticRegression(C=PENALTY)`` looks for, by the solver of the other probes.
    """
    standard = standard_of(train[0])
    targets = F.one_hot(train[1], int(max(train[1].max(), test[1].max())) + 1).float()
    number = len(train[1])
    found = fit_members(standard(train[0]), targets, standard.variances, [1.], [1 / (PENALTY * number)], STEPS, number)
    return (found(standard(test[0]))[:, 0].argmax(dim=0) == test[1]).float().mean().item()


def labelled_loader(dataset: dict, batch_size: int = BATCH, num_workers: int = 0) -> DataLoader:
    """A loader of the images of a data set's config, in order."""
    return Runner.build_dataloader(dict(
        batch_size=batch_size, num_workers=num_workers, collate_fn=dict(type='default_collate'),
        sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset))
