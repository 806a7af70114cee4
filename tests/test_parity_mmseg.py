"""The same function as mmsegmentation's own MAE and UPerNet, with the same weights."""
import copy

import pytest
import torch

from .peers import TINY, our_backbone, peer_backbone, randomise, segmentor


@pytest.mark.parametrize('img_size', [(64, 64), (64, 96)], ids=['square', 'rectangle'])
def test_backbone_maps_and_gradients(img_size):
    peer, ours = peer_backbone(img_size), our_backbone(img_size)
    randomise(peer)
    ours.load_state_dict(peer.state_dict(), strict=True)
    images = torch.randn(2, 3, *img_size)
    for model in (peer, ours):
        model.train()
    their_maps, our_maps = peer(images), ours(images)
    for theirs, mine in zip(their_maps, our_maps, strict=False):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    for maps in (their_maps, our_maps):
        sum(m.square().mean() for m in maps).backward()
    gradients = dict(ours.named_parameters())
    for name, parameter in peer.named_parameters():
        torch.testing.assert_close(gradients[name].grad, parameter.grad, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize('image_size', [(112, 112), (80, 160)], ids=['square', 'rectangle'])
def test_logits_of_upernet_and_of_the_sliding_window(image_size):
    theirs = segmentor(dict(type='MAE', img_size=(64, 64), init_values=1.0, norm_cfg=dict(type='LN', eps=1e-6),
                            **TINY))
    ours = segmentor(dict(type='mae_mm.MAE', img_size=(64, 64), rel_pos_bias=True, init_values=1.0,
                          final_norm=False, **TINY))
    randomise(theirs)
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()), strict=True)
    theirs.eval()
    ours.eval()
    image = torch.randn(1, 3, *image_size)
    meta = [dict(ori_shape=image_size, img_shape=image_size, pad_shape=image_size, padding_size=[0] * 4)]
    with torch.no_grad():
        crop = image[..., :64, :64]
        torch.testing.assert_close(ours(crop), theirs(crop), rtol=0, atol=1e-5)
        expected = theirs.inference(image, copy.deepcopy(meta))
        torch.testing.assert_close(ours.inference(image, copy.deepcopy(meta)), expected, rtol=0, atol=1e-5)
    assert expected.std() > .01  # a constant would agree with anything
