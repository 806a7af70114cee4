"""Features of a frozen encoder."""
from typing import Any

import torch
from mmengine.runner import Runner
from mmengine.utils import ProgressBar
from torch import Tensor
from torch.utils.data import DataLoader

PENALTY = .01  # scikit-learn's C, the inverse of the weights' penalty


@torch.no_grad()
def mean_features(model: Any, loader: Any) -> tuple[Tensor, Tensor]:
    """The mean of the last map of ``model.backbone`` for every image of a loader, and the images' labels.

    Returns:
        tuple: ``(N, C)`` float32 and ``(N,)`` int64, on the CPU.
    """
    model.eval()
    features, labels = [], []
    progress = ProgressBar(len(loader.dataset))
    for batch in loader:
        batch = model.data_preprocessor(batch, False)
        features.append(model.backbone(batch['inputs'])[-1].mean(dim=(2, 3)).float().cpu())  # B C h w -> B C
        labels += [sample.gt_label.item() for sample in batch['data_samples']]
        progress.update(len(features[-1]))
    progress.file.write('\n')
    return torch.cat(features), torch.tensor(labels)


def linear_accuracy(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
    """Top-1, from 0 to 1, on ``test`` of multinomial logistic regression on the standardised features of ``train``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=1000))
    classifier.fit(train[0].numpy(), train[1].numpy())
    return float(classifier.score(test[0].numpy(), test[1].numpy()))


def labelled_loader(folder: str, pipeline: list[dict], batch_size: int = 250) -> DataLoader:
    """A loader of the images of a folder of class folders."""
    return Runner.build_dataloader(dict(
        batch_size=batch_size, num_workers=0, collate_fn=dict(type='default_collate'),
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='CustomDataset', data_prefix=folder, pipeline=pipeline)))
