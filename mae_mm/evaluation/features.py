"""Features of a frozen encoder, and what they tell: a linear classifier, the nearest neighbours."""
import importlib.util
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from ..errors import InputError
from ..progress import progress_of

BATCH = 250  # images whose features are computed at a time
QUERIES = 256  # at a time
PENALTY = .01  # scikit-learn's C, the inverse of the weights' penalty
NEIGHBOURS = (1, 10, 20, 100)


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

    See :func:`check_scikit_learn`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=1000))
    classifier.fit(train[0].numpy(), train[1].numpy())
    return float(classifier.score(test[0].numpy(), test[1].numpy()))


def check_scikit_learn() -> None:
    """Tell before features are computed that the linear classifier's package is missing.

    Raises:
        ValueError: with how to install it.
    """
    if importlib.util.find_spec('sklearn') is None:
        raise InputError('the linear classifier needs scikit-learn; install it with: pip install scikit-learn')


def neighbours_to_ask(given: Sequence[int] | None, num_train: int) -> list[int]:
    """The numbers of neighbours: those given, or the usual ones that there are training images for.

    Raises:
        ValueError: more than there are training images, or fewer than one.
    """
    for count in given or ():
        if not 0 < count <= num_train:
            raise InputError(f'-k {count}: there are {num_train} training images, so k is 1 to {num_train}')
    return list(given or [count for count in NEIGHBOURS if count <= num_train])


def neighbours_accuracy(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], counts: Sequence[int],
                        temperature: float = .07) -> list[float]:
    """Top-1, from 0 to 1, on ``test`` by the votes of the k nearest of ``train``, for each k of ``counts``.

    Nearness is the cosine, a vote's weight ``exp(cosine / temperature)`` (Wu et al., arXiv:1805.01978, section 3.4).
    """
    bank = F.normalize(train[0], dim=1)
    num_classes = int(max(train[1].max(), test[1].max())) + 1
    right = torch.zeros(len(counts))
    for queries, labels in zip(test[0].split(QUERIES), test[1].split(QUERIES), strict=True):
        cosines, ids = (F.normalize(queries, dim=1) @ bank.T).topk(max(counts), dim=1)  # Q k
        votes = F.one_hot(train[1][ids], num_classes) * (cosines / temperature).exp()[..., None]  # Q k classes
        for i, count in enumerate(counts):
            right[i] += (votes[:, :count].sum(dim=1).argmax(dim=1) == labels).sum()
    return (right / len(test[1])).tolist()


def labelled_loader(dataset: dict, batch_size: int = BATCH, num_workers: int = 0) -> DataLoader:
    """A loader of the images of a data set's config, in order."""
    return Runner.build_dataloader(dict(
        batch_size=batch_size, num_workers=num_workers, collate_fn=dict(type='default_collate'),
        sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset))
