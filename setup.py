from setuptools import find_packages, setup

version: dict = {}
with open('mae_mm/version.py') as file:
    exec(file.read(), version)
with open('README.md') as file:
    readme = file.read()

setup(
    name='mae_mm',
    version=version['__version__'],
    description='Masked autoencoders for OpenMMLab 2.x: pre-training, classification and segmentation',
    long_description=readme,
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mae_mm', 'mae_mm.*']),
    package_data={'mae_mm.datasets': ['imagenet_synsets.txt']},
    python_requires='>=3.10',
    install_requires=['torch>=2.6', 'numpy>=1.24', 'safetensors>=0.4', 'tifffile>=2023.7'],
    # The OpenMMLab packages come under several distribution names (mmcv, mmcv-lite, onedl-mmcv, ...) that install
    # the same modules. Whoever has one of them keeps it; importing mae_mm checks the modules themselves.
    extras_require={
        'openmmlab': [
            'mmengine>=0.10.4', 'mmcv-lite>=2.0.0', 'onedl-mmsegmentation>=1.2.0', 'onedl-mmpretrain>=1.2.0',
            'torchvision'
        ],
        'export': ['onnx', 'onnxscript', 'onnxruntime'],
        'tiff': ['imagecodecs'],  # LZW, JPEG and other compressions of TIFF files
        'demo': ['scikit-learn', 'scikit-image'],
    })
