"""Configs before a run: reading them, checking them, fitting them to the machine."""
from .checks import check_data
from .hardware import fit_to_hardware
from .reading import read_config

__all__ = ['check_data', 'fit_to_hardware', 'read_config']
