"""What pre-training on many GPUs asks of processors, disks and network.

    python tools/scaling.py [--gpus 8 64 512] [--batch 512] [--core 407] [--card base=3844 large=2262 huge=1089]

For each model and number of GPUs, at so many images a GPU and step: the time of an epoch and of 800, cores that decode
for each GPU, bytes that a node of eight reads, the least time of the gradients' all-reduce beside the step's, and the
size of a checkpoint. It multiplies and divides; docs/scaling.md says where its inputs come from.
"""
import argparse

import torch

from mae_mm import MAE, MAEDecoder, MaskedAutoencoder

IMAGES, IMAGE_BYTES = 1_281_167, 138e9 / 1_281_167  # ImageNet-1K's training images: 138 GB
NODE = 8  # GPUs
NVLINK, NETWORK = 450e9, 50e9  # bytes a second of a GPU in each direction, within a node and between nodes
ADAMW = 3  # numbers that a checkpoint has for each parameter: itself and two moments
FLOAT = 4  # bytes


def parameters(arch: str) -> int:
    """Of encoder and decoder that are trained; nothing is allocated."""
    with torch.device('meta'):
        model = MaskedAutoencoder(MAE(arch=arch, patch_size=14 if arch == 'huge' else 16), MAEDecoder())
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def all_reduce_seconds(count: int, gpus: int) -> float:
    """The least time in which a ring sums float32 gradients: each GPU sends nearly all of them twice."""
    return 2 * (gpus - 1) / gpus * count * FLOAT / (NVLINK if gpus <= NODE else NETWORK)


def rates(texts: list[str]) -> dict[str, float]:
    return {arch: float(rate) for arch, _, rate in (text.partition('=') for text in texts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--gpus', type=int, nargs='+', default=[8, 64, 512])
    parser.add_argument('--batch', type=int, default=512, help='images of a GPU in a step')
    parser.add_argument('--core', type=float, default=407, help='images a second that a core loads')
    parser.add_argument('--card', nargs='+', default=['base=3844', 'large=2262', 'huge=1089'], metavar='ARCH=RATE',
                        help='images a second that a GPU trains on')
    args = parser.parse_args()
    columns = ('model', 'GPUs', 'an epoch', '800 epochs', 'cores a GPU', 'a node reads', 'step', 'all-reduce at least',
               'checkpoint')
    print('| ' + ' | '.join(columns) + ' |\n|' + ' --- |' * len(columns))
    for arch, rate in rates(args.card).items():
        count = parameters(arch)
        for gpus in args.gpus:
            epoch = IMAGES / (rate * gpus)
            print(f'| {arch} | {gpus} | {epoch:.1f} s | {800 * epoch / 3600:.1f} h | {rate / args.core:.1f} | '
                  f'{rate * NODE * IMAGE_BYTES / 1e9:.1f} GB/s | {1000 * args.batch / rate:.0f} ms | '
                  f'{1000 * all_reduce_seconds(count, gpus):.1f} ms | {count * FLOAT * ADAMW / 1e9:.1f} GB |')


if __name__ == '__main__':
    main()
