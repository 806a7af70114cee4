"""Whether a model is being traced."""
import torch


def exporting() -> bool:
    """Whether ``torch.export`` is tracing: what is computed now is no value to keep."""
    return getattr(torch.compiler, 'is_exporting', bool)()  # older than 2.7, torch does not tell: False
