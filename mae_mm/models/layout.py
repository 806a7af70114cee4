"""How maps lie in memory."""
import torch
from torch import Tensor


def channels_last(like: Tensor) -> bool:
    """Whether convolutions of maps on this device are faster channels last.

    On a CPU in inference alone: in training they are not, and a batch norm of float32 is less exact then.
    """
    return like.device.type != 'cpu' or not torch.is_grad_enabled()
