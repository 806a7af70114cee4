"""What becomes a batch: samplers and transforms that mmengine and mmseg lack."""
from .sampling import Draw, ResumableSampler, seed_all
from .transforms import CheckLabels, SeedSample

__all__ = ['CheckLabels', 'Draw', 'ResumableSampler', 'SeedSample', 'seed_all']
