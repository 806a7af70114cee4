"""Ways to attend with a learned relative position bias, for tools/benchmark.py."""
import argparse
import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from benchmark_device import Device, interleaved, write_json
from torch import Tensor

from mae_mm.models.attention import BiasTable, biased_attention
from mae_mm.models.position import bias_table_rows, relative_position_index

CHANNELS = 64  # of a head


def plain(q: Tensor, k: Tensor, v: Tensor, bias: BiasTable) -> Tensor:
    """As it is written: a float32 table is indexed, and what it gives is cast."""
    mask = bias.table[bias.pairs].permute(2, 0, 1)[None]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype))


def flex(q: Tensor, k: Tensor, v: Tensor, bias: BiasTable) -> Tensor:
    """PyTorch's FlexAttention, which keeps no N x N matrix."""
    from torch.nn.attention.flex_attention import flex_attention
    table, pairs = bias

    def add(score: Tensor, _: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return score + table[pairs[query, key], head]

    blocks = dict.fromkeys(('BLOCK_M', 'BLOCK_N', 'BLOCK_M1', 'BLOCK_N1', 'BLOCK_M2', 'BLOCK_N2'), 64)
    return flex_attention(q, k, v, score_mod=add, kernel_options=dict(blocks, num_stages=1))


def bias(args: argparse.Namespace) -> None:
    """Print the table: a layer's attention, forward and backward, with the table's gradient."""
    device, grid = Device(args.device, args.dtype), tuple(args.grid)
    tokens = 1 + grid[0] * grid[1]
    dtype = getattr(torch, args.dtype)
    torch.manual_seed(0)
    q, k, v, weight = torch.randn(4, args.batch, args.heads, tokens, CHANNELS, device=args.device, dtype=dtype)
    inputs = [x.clone().requires_grad_() for x in (q, k, v)]
    table = torch.randn(bias_table_rows(grid), args.heads, device=args.device, requires_grad=True)
    pairs = relative_position_index(grid, torch.device(args.device))
    ways: dict[str, Callable] = {'mae_mm': biased_attention, 'plain': plain}
    if args.compile:
        ways['flex'] = torch.compile(flex)
    ways['no bias'] = lambda q, k, v, _: F.scaled_dot_product_attention(q, k, v) + 0 * table.sum()

    def step(way: str) -> list[Tensor]:
        mixed = ways[way](*inputs, BiasTable(table, pairs))
        return list(torch.autograd.grad((mixed * weight).sum(), [*inputs, table]))

    expected = [gradient.double() for gradient in step('plain')]
    seconds = interleaved(device, {way: functools.partial(step, way) for way in ways}, args.repeats, times=5)
    print(f'attention with a learned bias, {args.batch} images of {grid[0]}x{grid[1]} patches, {args.heads} heads of '
          f'{CHANNELS}, forward and backward, {device}')
    results = {}
    for way, value in seconds.items():
        worst = max(((found.double() - golden).norm() / golden.norm()).item()
                    for found, golden in zip(step(way), expected, strict=True))
        results[way] = dict(seconds=value, differs=worst)
        line = f'{way:10}{value * 1000:9.2f} ms{value / seconds["mae_mm"]:7.2f} times ours   differs {worst:.1e}'
        if device.is_card:
            results[way]['peak_mib'] = device.peak_mib(step, way)
            line += f'{results[way]["peak_mib"]:9.0f} MiB'
        print(line, flush=True)
    write_json(args.json, dict(vars(args), on=str(device), results=results))
