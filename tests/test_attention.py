"""The memory-saving attention is the function that PyTorch computes, with its gradients."""
import torch
import torch.nn.functional as F

from mae_mm.models.attention import BiasTable, biased_attention
from mae_mm.models.position import bias_table_rows, relative_position_index


def inputs(grid=(3, 4), dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    index = relative_position_index(grid, torch.device('cpu'))
    shapes = [(2, 3, len(index), 5)] * 3 + [(bias_table_rows(grid), 3)]
    q, k, v, table = (torch.randn(s, generator=generator, dtype=dtype, requires_grad=True) for s in shapes)
    return q, k, v, table, index


def test_gradients_are_those_of_finite_differences():
    q, k, v, table, index = inputs(grid=(2, 2))
    assert torch.autograd.gradcheck(lambda *a: biased_attention(*a[:3], BiasTable(a[3], index)), (q, k, v, table))


def test_output_and_gradients_equal_pytorchs():
    *learned, index = inputs()
    upstream = torch.randn(2, 3, len(index), 5, dtype=torch.float64)
    ours = biased_attention(*learned[:3], BiasTable(learned[3], index))
    theirs = F.scaled_dot_product_attention(*learned[:3], attn_mask=learned[3][index].permute(2, 0, 1)[None])
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(torch.autograd.grad(ours, learned, upstream), torch.autograd.grad(theirs, learned, upstream),
                    strict=True):
        torch.testing.assert_close(a, b)


def test_nothing_of_the_size_of_all_pairs_is_kept():
    *learned, index = inputs(grid=(8, 8))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        biased_attention(*learned[:3], BiasTable(learned[3], index))
    assert max(n for n in kept if n != index.numel()) == learned[0].numel() < 2 * 3 * index.numel()
