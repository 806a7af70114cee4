"""The rows of tools/recipe_table.py: recipes of pre-training, and sketches of cheaper decoders; their training."""
import math
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_mm import MAE, Distiller, MAEDecoder, MaskedAutoencoder
from mae_mm.models.patches import patch_statistics, take_patches

RATE, WARMUP = 1.5e-3, .05  # of AdamW, and the share of the time in which it rises
DECODER = dict(embed_dims=128, num_layers=2, num_heads=4)
DEEP = dict(DECODER, num_layers=8)
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
# Row -> settings of the backbone, of the decoder and of the pre-trainer.
ROWS: dict[str, tuple[dict, dict, dict]] = {
    'MAE': ({}, DECODER, {}),
    '2x2 blocks': ({}, DECODER, dict(mask_block=2)),
    '4 class tokens': (dict(num_cls_tokens=4), DECODER, {}),
    '2x2 blocks, 4 class tokens': (dict(num_cls_tokens=4), DECODER, dict(mask_block=2)),
    'deeper decoder': ({}, DEEP, {}),
    "Pixio's mix": (dict(num_cls_tokens=8, learned_positions=True), DEEP, dict(mask_block=4)),
    'a quarter predicted': ({}, DECODER, dict(share=.25)),
    'cross-attention': ({}, DECODER, dict(cross=True)),
}
# The second, with a teacher trained for as long, has the time of the first; the last two, whose teacher is given (it
# was trained for twice the time), that of the third, in which the teacher sees each image once.
DISTILLED = ('MAE, width 96, twice the time', 'width 96, distilled from width 192, the time of both',
             'MAE, width 96', 'width 96, distilled from a given width 192',
             'width 96, distilled from two layers of a given width 192')
GIVEN: dict[str, Any] = dict(mask_ratio=.75, cached_images=10**6)


class Cheaper(MaskedAutoencoder):
    """Sketches of cheap decoding, for this table alone: a share of the hidden patches, or each by itself."""

    def __init__(self, *args: Any, share: float = 1., cross: bool = False, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.share, self.cross = share, cross

    def _losses(self, images: Tensor, ids_shuffle: Tensor, num_keep: int) -> Tensor:
        wanted = num_keep + round(self.share * (ids_shuffle.shape[1] - num_keep))
        if not self.cross:  # the decoder sees no other hidden patches than those that it predicts
            return super()._losses(images, ids_shuffle[:, :wanted], num_keep)
        latent = self.decoder.embed(self.backbone.encode(images, ids_shuffle[:, :num_keep]))
        rows = self.decoder.positions(self.backbone.grid)[0]
        memory = latent + rows[F.pad(ids_shuffle[:, :num_keep] + 1, (1, 0))]
        tokens = self.decoder.mask_token + rows[ids_shuffle[:, num_keep:wanted] + 1]
        for layer in self.decoder.layers:  # queries of hidden patches, keys of visible ones (arXiv:2401.14391)
            both = layer.attn.qkv(layer.ln1(torch.cat([memory, tokens], dim=1)))
            heads = both.unflatten(2, (3, layer.attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
            n = memory.shape[1]
            mixed = F.scaled_dot_product_attention(heads[0][:, :, n:], heads[1][:, :, :n], heads[2][:, :, :n])
            tokens = tokens + layer.attn.proj(mixed.transpose(1, 2).flatten(2))
            tokens = tokens + layer.ffn(layer.ln2(tokens))
        target = take_patches(images, ids_shuffle[:, num_keep:wanted], self.backbone.patch_size).float()
        mean, std = patch_statistics(target)
        pred = self.decoder.pred(self.decoder.ln1(tokens)).float()
        return (pred - (target - mean) / std).square().mean(dim=-1)


def mixed(device: torch.device) -> Any:
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == 'cuda')


def normalised(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in (MEAN, STD))
    return (images.float() - mean) / std


def crops(images: Tensor, size_px: int, smallest: float = .2) -> Tensor:
    """Random resized crops, flipped or not, of ``(B, 3, H, W)`` bytes: ``(B, 3, size, size)``, normalised."""
    B, device = len(images), images.device
    area = torch.empty(B, device=device).uniform_(smallest, 1).sqrt()
    ratio = torch.empty(B, device=device).uniform_(math.log(3 / 4), math.log(4 / 3)).exp().sqrt()
    height, width = (area / ratio).clamp(max=1), (area * ratio).clamp(max=1)
    y, x = ((torch.rand(B, device=device) * 2 - 1) * (1 - side) for side in (height, width))
    width = torch.where(torch.rand(B, device=device) < .5, width, -width)
    zero = torch.zeros_like(x)
    affine = torch.stack([torch.stack([width, zero, x], 1), torch.stack([zero, height, y], 1)], 1)  # B 2 3
    grid = F.affine_grid(affine, [B, 3, size_px, size_px], align_corners=False)
    return F.grid_sample(normalised(images), grid, padding_mode='reflection', align_corners=False)


def clock(device: torch.device) -> float:
    """Seconds; on a CPU those of the processor, which other work on the machine changes little."""
    if device.type == 'cpu':
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def train(model: nn.Module, images: Tensor, size_px: int, seconds: float, batch: int, seed: int,
          whole: bool = False) -> int:
    """Minimise ``model.loss`` of random crops, or of whole images, for so long; the number of steps."""
    torch.manual_seed(seed)
    device = images.device
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [dict(params=[p for p in parameters if (p.dim() > 1) == decayed], weight_decay=.05 * decayed)
              for decayed in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(.9, .95), fused=True)
    model.train()

    def step() -> None:
        chosen = images[torch.randint(len(images), (batch, ), device=device)]
        with mixed(device):
            loss = model.loss(normalised(chosen) if whole else crops(chosen, size_px))['loss']
        loss.backward()

    for _ in range(3):  # kernels are chosen outside of the time
        step()
    optimizer.zero_grad()
    start, steps = clock(device), 0
    while (done := (clock(device) - start) / seconds) < 1:
        for group in optimizer.param_groups:
            group['lr'] = RATE * (done / WARMUP if done < WARMUP else
                                  .5 + .5 * math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))
        step()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    return steps


def trained(row: str, images: Tensor, size_px: int, patch_size: int, seconds: float, batch: int,
            seed: int) -> tuple[MAE, int]:
    """The encoder of a row, and the number of its steps."""
    def encoder(width: int, **options: Any) -> MAE:
        return MAE(img_size=size_px, patch_size=patch_size, embed_dims=width, num_layers=12,
                   num_heads=width // 64 or 1, **options)

    torch.manual_seed(seed)
    if row not in DISTILLED:
        options, decoder, recipe = ROWS[row]
        model: Any = Cheaper(encoder(192, **options), MAEDecoder(**decoder), **recipe)
    elif row.startswith('MAE'):
        model, seconds = Cheaper(encoder(96), MAEDecoder(**DECODER)), seconds * (2 if 'twice' in row else 1)
    else:
        given = 'given' in row
        teacher, _ = trained('MAE', images, size_px, patch_size, 2 * seconds if given else seconds, batch, seed)
        layers = (-4, -1) if 'two layers' in row else -4
        how: dict[str, Any] = dict(GIVEN, layers=layers) if given else dict(mask_ratio=.5)
        model = Distiller(encoder(96), teacher, **how)
        student, projections = model.backbone, model.projections
        student.init_weights()
        for projection in projections:
            nn.init.xavier_uniform_(projection.weight)
        return student, train(model.to(images.device), images, size_px, seconds, batch, seed, whole=given)
    model.init_weights()
    return model.backbone, train(model.to(images.device), images, size_px, seconds, batch, seed)
