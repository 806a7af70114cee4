"""Tiny models of other projects, and the same computed by ours from weights in our names."""
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
import transformers
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS as MMPRETRAIN
from torch import Tensor, nn

from mae_mm.checkpoint.loading import encoder_of, load_into
from mae_mm.models import MAE, MAEDecoder, MaskedAutoencoder

from .peers import peer_backbone, randomise

SIZES = dict(img_size=32, patch_size=8, embed_dims=32, num_layers=2, num_heads=2)
DECODER = dict(embed_dims=16, num_layers=2, num_heads=4)
IDS_SHUFFLE = torch.randperm(16, generator=torch.Generator().manual_seed(3))[None]
NOISE = IDS_SHUFFLE.argsort(dim=1).float()  # whose order is IDS_SHUFFLE


def images() -> Tensor:
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))


@dataclass
class Peer:
    """A model of another project: ``run`` computes what ``ours`` does with the same weights."""
    model: nn.Module
    run: Callable[[Any], Tensor]
    ours: Callable[[OrderedDict], Tensor]


# Ours.


def tokens(weights: OrderedDict) -> Tensor:
    """The encoder's normalised tokens."""
    encoder, _ = encoder_of(weights)
    gammas = 1. if 'layers.0.gamma_1' in encoder else None
    model = MAE(**SIZES, init_values=gammas)
    load_into(model, encoder, 'peer')
    return model.eval().encode(images(), torch.arange(16)[None])


def pixels(weights: OrderedDict) -> Tensor:
    """The decoder's prediction of every patch."""
    told = getattr(weights, '_metadata', {}).get('', {})
    model = MaskedAutoencoder(MAE(**SIZES), MAEDecoder(**DECODER), norm_pix=told.get('norm_pix', True))
    load_into(model, weights, 'peer')
    return model.eval().reconstruct(images(), ids_shuffle=IDS_SHUFFLE).pred


def logits(weights: OrderedDict) -> Tensor:
    """A classifier's: of the class token, or of the mean of the patches if there is a norm for it."""
    init_default_scope('mmpretrain')
    beit = 'backbone.layers.0.gamma_1' in weights
    out_type = 'avg_featmap' if 'backbone.fc_norm.weight' in weights else 'cls_token'
    model = MMPRETRAIN.build(dict(
        type='ImageClassifier',
        backbone=dict(type='mae_mm.MAE', **SIZES, out_type=out_type, rel_pos_bias=beit,
                      init_values=1. if beit else None),
        head=dict(type='LinearClsHead', num_classes=len(weights['head.fc.weight']), in_channels=SIZES['embed_dims'])))
    load_into(model, weights, 'peer')
    return model.eval()(images())


def maps(weights: OrderedDict) -> Tensor:
    """The maps of a backbone with relative position bias and layer scale."""
    encoder, _ = encoder_of(weights)
    model = MAE(**SIZES, rel_pos_bias=True, init_values=1., final_norm='ln1.weight' in encoder).eval()
    load_into(model, encoder, 'peer')
    return model(images())[0]


# Theirs.


def timm_encoder(**options) -> Peer:
    model = timm.create_model('vit_base_patch16_224.mae', embed_dim=32, depth=2, num_heads=2, img_size=32,
                              patch_size=8, num_classes=0, **options)
    return Peer(model, lambda model: model.forward_features(images()), tokens)


def timm_classifier(pool: str) -> Peer:
    model = timm.create_model('vit_base_patch16_224', embed_dim=32, depth=2, num_heads=2, img_size=32, patch_size=8,
                              num_classes=7, global_pool=pool)
    return Peer(model, lambda model: model(images()), logits)


HF = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, image_size=32,
          patch_size=8)


def hf_mae(kind: str) -> Peer:
    config = transformers.ViTMAEConfig(**HF, decoder_hidden_size=16, decoder_num_hidden_layers=2,
                                       decoder_num_attention_heads=4, decoder_intermediate_size=64)
    model = getattr(transformers, kind)(config)
    if kind == 'ViTMAEForPreTraining':
        return Peer(model, lambda model: model(images(), noise=NOISE).logits, pixels)

    def run(model: Any) -> Tensor:
        model.config.mask_ratio = 0.
        return model(images(), noise=torch.arange(16)[None].float()).last_hidden_state

    return Peer(model, run, tokens)


def hf_classifier() -> Peer:
    model = transformers.ViTForImageClassification(transformers.ViTConfig(**HF, num_labels=7))
    return Peer(model, lambda model: model(images()).logits, logits)


ARCH = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=128)


def mmpretrain_mae() -> Peer:
    init_default_scope('mmpretrain')
    model = MMPRETRAIN.build(dict(
        type='MAE', backbone=dict(type='MAEViT', arch=ARCH, img_size=32, patch_size=8),
        neck=dict(type='MAEPretrainDecoder', num_patches=16, patch_size=8, embed_dim=32, decoder_embed_dim=16,
                  decoder_depth=2, decoder_num_heads=4),
        head=dict(type='MAEPretrainHead', patch_size=8, loss=dict(type='PixelReconstructionLoss', criterion='L2'))))

    def run(model: Any) -> Tensor:
        def mask(tokens: Tensor, ratio: float) -> tuple:
            kept = IDS_SHUFFLE[:, :4, None].expand(-1, -1, tokens.shape[2])
            return tokens.gather(1, kept), None, IDS_SHUFFLE.argsort(dim=1)

        model.backbone.random_masking = mask
        latent, _, ids_restore = model.backbone(images())
        return model.neck(latent, ids_restore)

    return Peer(model, run, pixels)


def mmpretrain_classifier(pool: str) -> Peer:
    init_default_scope('mmpretrain')
    mean = pool == 'avg_featmap'
    head = 'LinearClsHead' if mean else 'VisionTransformerClsHead'
    model = MMPRETRAIN.build(dict(
        type='ImageClassifier',
        backbone=dict(type='VisionTransformer', arch=ARCH, img_size=32, patch_size=8, out_type=pool,
                      final_norm=not mean),
        head=dict(type=head, num_classes=7, in_channels=32)))
    return Peer(model, lambda model: model(images()), logits)


def mmseg_backbone(kind: str) -> Peer:
    model = peer_backbone(**SIZES, type=kind, out_indices=1)
    return Peer(model, lambda model: model(images())[0], maps)


PEERS: dict[str, Callable[[], Peer]] = {
    'timm-mae': timm_encoder,
    'timm-scaled': lambda: timm_encoder(init_values=1.),
    'timm-classifier': lambda: timm_classifier('token'),
    'timm-mean': lambda: timm_classifier('avg'),
    'huggingface-pretraining': lambda: hf_mae('ViTMAEForPreTraining'),
    'huggingface-encoder': lambda: hf_mae('ViTMAEModel'),
    'huggingface-classifier': hf_classifier,
    'mmpretrain-pretraining': mmpretrain_mae,
    'mmpretrain-classifier': lambda: mmpretrain_classifier('cls_token'),
    'mmpretrain-mean': lambda: mmpretrain_classifier('avg_featmap'),
    'mmseg-MAE': lambda: mmseg_backbone('MAE'),
    'mmseg-BEiT': lambda: mmseg_backbone('BEiT'),
}


def build(name: str, seed: int = 0) -> Peer:
    """A peer with random weights."""
    peer = PEERS[name]()
    with torch.no_grad():
        randomise(peer.model, seed)
    peer.model.eval()
    return peer
