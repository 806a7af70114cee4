"""How many directions features use."""
import torch
from torch import Tensor


def effective_rank(features: Tensor) -> float:
    """The exponential of the entropy of the singular values' shares (Roy and Vetterli, EUSIPCO 2007).

    Of ``(N, C)`` features around their mean: 1 if they lie on a line, C if all directions matter alike.
    """
    centred = features.double() - features.double().mean(dim=0)
    squares = torch.linalg.eigvalsh(centred.T @ centred / len(features)).clamp_min(0)
    values = squares.sqrt()[squares > 1e-12 * squares.max()]
    shares = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    return float(torch.special.entr(shares).sum().exp())
