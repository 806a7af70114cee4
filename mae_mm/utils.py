"""What ``mmengine.hub.get_model`` asks of a package."""
import importlib


def register_all_modules(*_: bool) -> None:
    """Register everything of this package; the default scope stays the host's, whatever is asked."""
    for room in ('datasets', 'engine', 'evaluation', 'models', 'visualization'):
        importlib.import_module(f'mae_mm.{room}')
