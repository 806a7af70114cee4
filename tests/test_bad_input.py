"""What a user does wrong ends with one line that names the thing, exit status 2, and nothing half-written."""
import cv2
import numpy as np
import pytest
import torch

from .conftest import run_tool

TRAIN, TEST = 'tools/train.py', 'tools/test.py'


def test_the_command_line_itself(config, tmp_path):
    output = run_tool(TRAIN, config, '--work-dir', tmp_path, '--cfg-options', 'model.backbone.embed_dim=16', status=2)
    assert 'Traceback' not in output
    assert output.splitlines()[-1].startswith('error: ') and 'embed_dim' in output.splitlines()[-1]


@pytest.mark.parametrize('option, names', [
    ('optim_wraper.optimizer.lr=1', "'optim_wraper'; is it 'optim_wrapper'?"),
    ('model.backbone.embed_dim=16', 'embed_dim'),
    ('optim_wrapper.optimizer.type=Adammm', 'Adammm'),
    ('model.backbone.out_indices=[0,1,2,9]', 'layer 9, the backbone has 4 layers'),
    ('model.backbone.num_heads=3', '16 cannot be divided among 3 heads'),
    ('model.backbone.img_size=30', '30x30 image: not a multiple of the patch 8'),
    ('model.backbone.out_indices=[0,0,1,2]', 'names a layer twice'),
    ('model.backbone.out_indices=[0,1]', 'are for 4 maps, and model.backbone.out_indices=[0, 1] gives 2'),
    ('model.auxiliary_head.in_index=9', 'there is no map 9'),
    ('model.decode_head.in_channels=[1,2,3,4]', 'model.decode_head.in_channels=1, and the backbone is 16 wide'),
    ('model.decode_head.pool_scales=[0]', 'pool_scales=(0,) is not a list of whole numbers from 1 on'),
    ('model=None', 'model=None is not dict(type=...)'),
    ('train_dataloader=None', 'train_dataloader is None in the config, and this needs it'),
    ('val_cfg=None', 'val_cfg: None or missing; a config has all of val_dataloader, val_cfg, val_evaluator, or none'),
    ('env_cfg=None', 'env_cfg=None is not a dict'),
    ('default_hooks=3', 'default_hooks=3 is not a dict'),
    ('custom_hooks=[3]', 'custom_hooks=[3] is not a list of dict(type=...)'),
    ('default_hooks.stop.type=None', 'default_hooks.stop.type=None is not the name of a class'),
    ('log_level=NOISY', "log_level='NOISY' is not a name such as INFO"),
    ('default_scope=nowhere', "default_scope='nowhere' is not a package"),
    ('custom_imports.imports=[nowhere]', 'nowhere'),
    ('optim_wrapper.optimizer.eps=-1', "(in dict(type='AdamW', lr=0.001, weight_decay=0.05, eps=-1"),
    ('data_preprocessor', '--cfg-options takes KEY=VALUE, which \'data_preprocessor\' is not'),
    ('model.backbone.img_size=[32', 'a bracket that is not closed, or not opened'),
])
def test_settings_that_do_not_exist_or_fit(error_of, config, tmp_path, option, names):
    assert names in error_of(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options', option)
    assert not list(tmp_path.rglob('*.pth'))


def test_config_that_is_not_there_or_old(error_of, config, tmp_path):
    assert 'nowhere.py: no such config' in error_of(TRAIN, 'nowhere.py')
    old = tmp_path / 'old.py'
    old.write_text(f"_base_ = '{config}'\nfp16 = dict(loss_scale='dynamic')\n")
    assert "'fp16' at the top level" in error_of(TRAIN, old)


def test_data_root_that_is_not_there(error_of, config, tmp_path):
    error = error_of(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options', f'data_root={tmp_path}/none')
    assert f'{tmp_path}/none/images/training: no such folder' in error and 'data_root=DIR' in error
    assert not (tmp_path / 'w').exists()


def test_empty_data_set_and_missing_label_map(error_of, config, scenes, tmp_path):
    for split in ('training', 'validation'):
        for kind in ('images', 'annotations'):
            (tmp_path / kind / split).mkdir(parents=True)
    assert 'no .jpg images there' in error_of(TRAIN, config, '--cfg-options', f'data_root={tmp_path}')
    for split in ('training', 'validation'):
        cv2.imwrite(str(tmp_path / 'images' / split / 'lonely.jpg'), np.zeros((32, 32, 3), np.uint8))
    assert 'no label map for 1 of 1 images, such as lonely.png' in error_of(
        TRAIN, config, '--cfg-options', f'data_root={tmp_path}')


def test_a_variable_that_its_config_cannot_be_evaluated_with_is_named(error_of):
    error = error_of(TRAIN, 'mae/upernet_folder', '--cfg-options', 'max_iters=9', 'arch=[text]', 'lr=1e-3')
    assert error.startswith("error: --cfg-options arch=['text']: with it ") and 'cannot be read as a config' in error


def test_settings_before_other_arguments_are_told(error_of, config):
    assert "which 'weights.pth' is not; everything else comes before --cfg-options" in error_of(
        TEST, config, '--cfg-options', 'model.test_cfg.mode=whole', 'weights.pth')


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_a_number_of_processes_that_is_none(script):
    files = ['c.py', 'w.pth'] if 'test' in script else ['c.py']
    for number in ('0', '-1', 'two', '1.5', '', '9' * 30):
        output = run_tool(f'tools/{script}', *files, number, status=2)
        assert output == f'error: GPUS={number} is not a number from 1 to 1024\n'


def test_outputs_that_cannot_be_written(error_of, config, trained, images, tmp_path):
    checkpoint = trained[0] / 'iter_6.pth'
    (tmp_path / 'file').write_text('kept')
    (tmp_path / 'loop').symlink_to('loop')
    for place, why in (('file/out', 'Not a directory'), ('loop/out', 'symbolic links'),
                       ('n' * 300, 'File name too long')):
        assert why in error_of(TEST, config, checkpoint, '--work-dir', tmp_path / place)
        assert why in error_of('predict', checkpoint, images, '--out', tmp_path / place)
        assert why in error_of('features', checkpoint, images, '--out', f'{tmp_path / place}.npz')
    assert (tmp_path / 'file').read_text() == 'kept' and len(list(tmp_path.iterdir())) == 2


def test_what_is_written_never_replaces_what_it_is_made_from(error_of, trained, images, tmp_path):
    checkpoint = tmp_path / 'm.npz'
    checkpoint.write_bytes((trained[0] / 'iter_6.pth').read_bytes())
    (tmp_path / 'm.pth').symlink_to('m.npz')
    before = checkpoint.read_bytes()
    for command in (['features', checkpoint, images, '--out', checkpoint], ['convert', checkpoint, tmp_path / 'm.pth'],
                    ['export', 'c.py', checkpoint, tmp_path / 'm.pt2']):
        if command[0] == 'export':
            (tmp_path / 'm.pt2').symlink_to('m.npz')
        assert 'which it is made from; choose another name' in error_of(*command)
    photo = next(images.glob('*.png'))
    assert 'which it is made from' in error_of('stats', images, '--out', photo)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize('workers', [0, 2])
def test_label_that_is_no_class(error_of, config, tmp_path, workers):
    for split in ('training', 'validation'):
        for kind, suffix, value in (('images', 'jpg', 9), ('annotations', 'png', 77)):
            (tmp_path / kind / split).mkdir(parents=True)
            for name in 'ab':
                cv2.imwrite(str(tmp_path / kind / split / f'{name}.{suffix}'), np.full((32, 32), value, np.uint8))
    error = error_of(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options', f'data_root={tmp_path}',
                     f'train_dataloader.num_workers={workers}')
    assert error.endswith('.png: label 77 is not a class; classes are 0 to 10, and 255 is ignored')


def test_image_that_patches_do_not_tile(error_of, config, trained, tmp_path):
    work_dir, _ = trained
    for split in ('training', 'validation'):
        for kind, suffix in (('images', 'jpg'), ('annotations', 'png')):
            (tmp_path / kind / split).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / kind / split / f'a.{suffix}'), np.zeros((33, 40), np.uint8))
    error = error_of(TEST, config, work_dir / 'iter_6.pth', '--work-dir', tmp_path / 'w', '--cfg-options',
                     f'data_root={tmp_path}')
    assert '33x40 image: not a multiple of the patch 8' in error and '40x40' in error
    assert not (tmp_path / 'w' / 'metrics.json').exists()


def test_checkpoint_of_another_width(error_of, config, trained, tmp_path):
    work_dir, _ = trained
    error = error_of(TEST, config, work_dir / 'iter_6.pth', '--work-dir', tmp_path, '--cfg-options',
                     'model.backbone.embed_dims=32')
    assert 'iter_6.pth does not fit the model: another shape: backbone.cls_token is 1x1x16' in error
    assert not (tmp_path / 'metrics.json').exists()


def test_checkpoints_that_cannot_be_used(error_of, config, trained, tmp_path):
    work_dir, _ = trained
    assert 'none.pth: no such checkpoint' in error_of(TEST, config, 'none.pth', '--work-dir', tmp_path)
    whole = (work_dir / 'iter_6.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(whole[:len(whole) // 2])
    assert 'cut.pth is not a checkpoint, or is damaged' in error_of(TEST, config, tmp_path / 'cut.pth')
    torch.save(torch.load(work_dir / 'iter_6.pth')['state_dict'], tmp_path / 'weights.pth')
    assert 'cannot be resumed from, it holds no meta' in error_of(
        TRAIN, config, '--work-dir', tmp_path, '--resume', tmp_path / 'weights.pth')
    assert 'holds no checkpoint to resume from' in error_of(TRAIN, config, '--work-dir', tmp_path / 'w', '--resume')


def test_a_launcher_that_did_not_start_the_process(error_of, config, tmp_path):
    assert 'tools/dist_train.sh' in error_of(TRAIN, config, '--work-dir', tmp_path, '--launcher', 'pytorch')


def test_processes_say_it_once(config, tmp_path):
    output = run_tool('tools/dist_train.sh', config, 2, '--work-dir', tmp_path, '--cfg-options',
                      'model.backbone.out_indices=[0,1,2,9]', status=2)
    assert output.count('error: ') == 1 and 'Traceback' not in output and 'layer 9' in output


def test_a_mistake_that_only_another_process_meets_is_told(config, tmp_path):
    for split, count in (('training', 40), ('validation', 1)):
        for i in range(count):
            for kind, suffix, value in (('images', 'jpg', 9), ('annotations', 'png', 77 * (i == 7))):
                (tmp_path / kind / split).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(tmp_path / kind / split / f'{i}.{suffix}'), np.full((32, 32), value, np.uint8))
    output = run_tool('tools/dist_train.sh', config, 2, '--work-dir', tmp_path / 'w', '--cfg-options',
                      f'data_root={tmp_path}', 'train_cfg.val_interval=100', 'train_cfg.max_iters=100', status=2)
    assert output.strip().endswith('7.png: label 77 is not a class; classes are 0 to 10, and 255 is ignored')
