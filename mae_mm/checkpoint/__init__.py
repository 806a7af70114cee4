"""Checkpoints: formats as tables, reading safely, loading loudly, writing atomically."""
from .formats import Conversion, convert, export, recognise
from .loading import load_into, load_weights
from .reading import read_checkpoint, tensors_of
from .writing import AtomicBackend, write_checkpoint

__all__ = [
    'AtomicBackend', 'Conversion', 'convert', 'export', 'load_into', 'load_weights', 'read_checkpoint', 'recognise',
    'tensors_of', 'write_checkpoint'
]
