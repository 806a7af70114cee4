"""Checkpoints: formats as tables, reading safely, loading loudly, writing atomically."""
from .formats import Conversion, convert, recognise
from .loading import load_into, load_weights
from .reading import read_checkpoint
from .writing import AtomicBackend, write_checkpoint

__all__ = [
    'AtomicBackend', 'Conversion', 'convert', 'load_into', 'load_weights', 'read_checkpoint', 'recognise',
    'write_checkpoint'
]
