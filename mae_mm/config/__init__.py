"""Configs before a run: reading them, checking them, fitting them to the machine."""
from .checks import check_data
from .hardware import fit_to_hardware
from .names import config_names, find_config
from .reading import read_config
from .settle import settle

__all__ = ['check_data', 'config_names', 'find_config', 'fit_to_hardware', 'read_config', 'settle']
