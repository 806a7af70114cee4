"""The grid that a checkpoint's positions belong to: read, assumed square, or asked for."""
import pytest
import torch

from mae_mm.checkpoint.grids import bias_table_rows, decide_grid, grid_of_index
from mae_mm.models import MAE
from mae_mm.models.position import relative_position_index, resize_bias_table, resize_pos_embed

from . import official
from .conftest import run_inside
from .peers import randomise

SIZES = dict(img_size=32, patch_size=8, embed_dims=32, num_layers=2, num_heads=2)
ASKS = (r"say which with init_cfg=dict\(type='Pretrained', ..., grid=\(height, width\)\) where training starts from it"
        '; mae-mm convert FILE NEW.pth --whole --grid HEIGHT WIDTH')


@pytest.mark.parametrize('grid', [(1, 1), (2, 3), (3, 4), (4, 3), (5, 5)])
def test_a_grid_is_read_from_its_index(grid):
    index = relative_position_index(grid, torch.device('cpu'))
    assert grid_of_index(index) == grid


def test_what_is_no_index_tells_nothing():
    for other in (torch.zeros(17, 17, dtype=torch.long), torch.zeros(3), torch.zeros(1, 1, dtype=torch.long),
                  relative_position_index((3, 4), torch.device('cpu'))[:-1, :-1],
                  relative_position_index((1, 6), torch.device('cpu'))):  # that of (6, 1)
        assert grid_of_index(other) is None


def test_squares_are_assumed_and_rectangles_asked_for():
    assert decide_grid(36, set(), None, own=(3, 4)) == (6, 6)
    assert decide_grid(36, {bias_table_rows((6, 6))}, None, own=(4, 9)) == (6, 6)  # the bias table tells
    assert decide_grid(36, set(), (4, 9), own=(6, 6)) == (4, 9)
    for patches, rows, own in ((24, set(), (4, 6)), (36, {bias_table_rows((4, 9))}, (6, 6)), (36, set(), (4, 9))):
        with pytest.raises(ValueError, match=ASKS):
            decide_grid(patches, rows, None, own)
    for told in ((3, 5), 6, (6, ), 'wide', (-4, -9)):
        with pytest.raises(ValueError, match='its position embedding is for 24 patches, not for the grid'):
            decide_grid(24, set(), told, own=(4, 6))


def backbone(path, img_size, **options):
    model = MAE(**{**SIZES, 'img_size': img_size}, rel_pos_bias='bias_resize' in options,
                init_cfg=dict(type='Pretrained', checkpoint=str(path), **options))
    model.init_weights()
    return model


def test_positions_that_may_be_of_a_rectangle_and_a_class_token_are_refused_until_told(tmp_path):
    """A grid of 4x6 and a class token have 25 positions, as 5x5 patches without one (timm's ``no_embed_class``)."""
    timm = pytest.importorskip('timm')
    torch.manual_seed(0)
    peer = timm.models.VisionTransformer(img_size=(32, 48), patch_size=8, embed_dim=32, depth=2, num_heads=2,
                                         num_classes=0).eval()
    torch.nn.init.normal_(peer.pos_embed)
    path = tmp_path / 'timm.pth'
    torch.save(peer.state_dict(), path)
    with pytest.raises(ValueError, match=r'its 25 positions may be of a square of patches or, .*\(1\) and 4x6'):
        backbone(path, (32, 48))
    assert run_inside('convert', path, tmp_path / 'own.pth', '--whole', '--grid', 4, 6, '--num-heads', 2) == 0
    images = torch.randn(2, 3, 32, 48)
    for name, options in (('timm.pth', dict(grid=(4, 6))), ('own.pth', {})):
        model = MAE(**{**SIZES, 'img_size': (32, 48)}, final_norm=True,
                    init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / name), **options))
        model.init_weights()
        *_, last = model.eval().layer_inputs(images)
        torch.testing.assert_close(model.ln1(last), peer.forward_features(images), rtol=0, atol=1e-5)
    assert backbone(path, 40).grid == (5, 5)


def test_a_file_that_may_be_of_the_models_rectangle_is_refused_until_told(tmp_path):
    weights = official.mae_weights('norm')
    torch.save(weights, tmp_path / 'mae.pth')
    with pytest.raises(ValueError, match=f'mae.pth: its 16 patches may form a grid of 4x4 or, .* 2x8; {ASKS}'):
        backbone(tmp_path / 'mae.pth', (16, 64))
    assert torch.equal(backbone(tmp_path / 'mae.pth', (16, 64), grid=(2, 8)).pos_embed, weights['pos_embed'])
    resized = backbone(tmp_path / 'mae.pth', (16, 64), grid=(4, 4)).pos_embed
    assert torch.equal(resized, resize_pos_embed(weights['pos_embed'], (4, 4), (2, 8)))
    with pytest.raises(ValueError, match='init_cfg=.*it takes type, checkpoint, grid, bias_resize'):
        backbone(tmp_path / 'mae.pth', 32, shape=(4, 4))


@pytest.mark.parametrize('method', ['bicubic', 'geometric'])
def test_init_cfg_says_how_bias_tables_are_resized(method, tmp_path):
    source = MAE(**SIZES, rel_pos_bias=True)
    with torch.no_grad():
        randomise(source)
    torch.save(source.state_dict(), tmp_path / 'a.pth')
    name = 'layers.1.attn.relative_position_bias_table'
    table = backbone(tmp_path / 'a.pth', (48, 40), bias_resize=method).state_dict()[name]
    assert torch.equal(table, resize_bias_table(source.state_dict()[name], (4, 4), (6, 5), method))
    with pytest.raises(ValueError, match="bias_resize is 'bicubic' or 'geometric'"):
        backbone(tmp_path / 'a.pth', 32, bias_resize='nearest')
