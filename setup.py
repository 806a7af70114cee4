"""The package, whose wheel also holds configs, tools and the index of models: OpenMMLab's folder ``.mim``."""
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildWithConfigs(build_py):
    """Puts the files that are not modules into ``mae_mm/.mim``, where mmengine looks for them.

    They are copied into the build folder, or for an editable install linked from the checkout.
    """
    folders = ('configs', 'tools')
    files = {'metafile.yml': ('metafile.yml', 'model-index.yml')}  # mmengine asks for the second name

    def run(self) -> None:
        built = ROOT / 'mae_mm/.mim' if self.editable_mode else Path(self.build_lib) / 'mae_mm'
        shutil.rmtree(built, ignore_errors=True)  # of an earlier build: what has been deleted since would stay
        super().run()
        target = ROOT / 'mae_mm/.mim' if self.editable_mode else built / '.mim'
        target.mkdir(parents=True)
        pairs = [(name, name) for name in self.folders]
        pairs += [(source, name) for source, names in self.files.items() for name in names]
        for source, name in pairs:
            if self.editable_mode:
                (target / name).symlink_to(Path('../..', source))
            elif source in self.folders:
                shutil.copytree(ROOT / source, target / name, ignore=shutil.ignore_patterns('__pycache__'))
            else:
                shutil.copy(ROOT / source, target / name)


version: dict = {}
exec((ROOT / 'mae_mm/version.py').read_text(), version)

setup(
    name='mae_mm',
    version=version['__version__'],
    description='Masked autoencoders for OpenMMLab 2.x: pre-training, classification and segmentation',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mae_mm', 'mae_mm.*']),
    package_data={'mae_mm': ['py.typed'], 'mae_mm.datasets': ['imagenet_synsets.txt']},
    cmdclass={'build_py': BuildWithConfigs},
    entry_points={'console_scripts': ['mae-mm = mae_mm.cli:main']},
    python_requires='>=3.10',
    install_requires=['torch>=2.6', 'numpy>=1.24', 'safetensors>=0.4', 'tifffile>=2023.7'],
    # The OpenMMLab packages come under several distribution names (mmcv, mmcv-lite, onedl-mmcv, ...) that install
    # the same modules. Whoever has one of them keeps it; mae_mm checks the modules themselves.
    extras_require={
        'openmmlab': [
            'mmengine>=0.10.4', 'mmcv-lite>=2.0.0', 'onedl-mmsegmentation>=1.2.0', 'onedl-mmpretrain>=1.2.0',
            'torchvision', 'scipy'
        ],
        'export': ['onnx', 'onnxscript', 'onnxruntime'],
        'tiff': ['imagecodecs'],  # LZW, JPEG and other compressions of TIFF files
        'demo': ['scikit-learn', 'scikit-image', 'gradio>=6'],  # the demo's images; its page
    })
