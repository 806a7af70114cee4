"""Probes as functions of features: each against a plain reference."""
import math

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.evaluation import IoUMetric
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from mae_mm.errors import InputError
from mae_mm.evaluation import attentive, dense, linear, shots
from mae_mm.evaluation.features import linear_accuracy
from mae_mm.evaluation.neighbours import neighbours_accuracy, neighbours_shares
from mae_mm.evaluation.spectrum import effective_rank
from mae_mm.visualization.probes import attention_map, layers_picture


def classes(number, width=6, num_classes=3, noise=1.):
    labels = torch.arange(number) % num_classes
    centres = torch.randn(num_classes, width, generator=torch.Generator().manual_seed(7))
    return centres[labels] + noise * torch.randn(number, width), labels


def test_neighbours_are_those_of_a_double_loop():
    train, test = classes(90), classes(33)
    for count in (1, 5, 40):
        right = 0
        for query, label in zip(*test, strict=True):
            near = sorted(((float(query @ known / query.norm() / known.norm()), int(of))
                           for known, of in zip(*train, strict=True)), reverse=True)[:count]
            votes = [sum(math.exp(cosine / .07) for cosine, of in near if of == one) for one in range(3)]
            right += votes.index(max(votes)) == int(label)
        assert neighbours_accuracy(train, test, [count]) == pytest.approx([right / 33])


def test_votes_of_patches_are_shares_by_nearness():
    bank, _ = classes(20)
    shares = torch.rand(20, 4)
    queries, _ = classes(7)
    expected = []
    for query in queries:
        cosines = F.cosine_similarity(query[None], bank)
        near = cosines.topk(5).indices
        weights = (cosines[near] / .07).softmax(dim=0)
        expected.append(sum(weight * shares[i] for weight, i in zip(weights, near, strict=True)))
    torch.testing.assert_close(neighbours_shares(bank, shares, queries, 5), torch.stack(expected))
    few = neighbours_shares(bank[:2], shares[:2], queries)  # fewer than the usual number
    assert few.shape == (7, 4)


@pytest.fixture(scope='module')
def digits():
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images), torch.tensor(labels)


@pytest.mark.parametrize('penalty', [1e-3, 1e-2, .1])
def test_a_linear_probe_reaches_scikit_learns_optimum(digits, penalty):
    features, labels = digits
    standard = linear.standard_of(features)
    rows = standard(features)
    found = linear.train(rows, F.one_hot(labels).double(), standard.variances, [1.], [penalty], steps=500, batch=2000)
    theirs = LogisticRegression(C=1 / (penalty * len(rows)), max_iter=5000, tol=1e-9).fit(rows.numpy(), labels.numpy())

    def loss(weights, biases):
        return F.cross_entropy(rows @ weights + biases, labels) + penalty / 2 * weights.square().sum()

    ours = loss(found.weights[:, 0].T, found.biases[:, 0, 0])
    best = loss(torch.tensor(theirs.coef_.T), torch.tensor(theirs.intercept_))
    assert best - 1e-6 < ours < best + 1e-4


def test_the_probe_of_the_command_is_scikit_learns(digits):
    features, labels = digits
    train, test = (features[:1200].float(), labels[:1200]), (features[1200:].float(), labels[1200:])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=.01, max_iter=1000))
    model.fit(*(part.numpy() for part in train))
    assert linear_accuracy(train, test) == pytest.approx(model.score(*(part.numpy() for part in test)), abs=1e-6)


def test_a_sweep_at_once_is_its_members_alone(digits):
    features, labels = digits
    standard = linear.standard_of(features)
    rows, targets = standard(features), F.one_hot(labels).double()
    members = [(rate, penalty) for penalty in linear.PENALTIES for rate in linear.RATES]
    assert len(members) == 26
    at_once = linear.train(rows, targets, standard.variances, *zip(*members, strict=True), steps=60)
    for i in (0, 7, 25):
        alone = linear.train(rows, targets, standard.variances, *([value] for value in members[i]), steps=60)
        for ours, theirs in zip(at_once.member(i), alone, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    torch.testing.assert_close(at_once(rows)[:, 3:4], at_once.member(3)(rows))


def test_shares_of_classes_count_as_so_many_samples():
    features, labels = classes(60)
    standard = linear.standard_of(features)
    rows = standard(features)
    targets = F.one_hot(labels).float()
    targets[:20] *= .5
    targets[40:50] = 0  # as if they were not there
    found = linear.train(rows, targets, standard.variances, [1.], [.1], steps=400)
    weights = targets.sum(dim=1)
    model = LogisticRegression(C=1 / (.1 * 60), max_iter=2000, tol=1e-8)
    model.fit(rows[weights > 0].numpy(), labels[weights > 0].numpy(), sample_weight=weights[weights > 0].numpy())
    torch.testing.assert_close(found.weights[:, 0], torch.tensor(model.coef_).float(), rtol=0, atol=1e-3)


def test_the_member_is_chosen_by_samples_that_it_was_not_trained_on():
    torch.manual_seed(1)
    features = torch.randn(80, 60)  # as many as there are samples: without a penalty all is learnt by heart
    labels = (features[:, 0] > 0).long()
    fitting, choosing = shots.split(labels, seed=0)
    assert not set(fitting.tolist()) & set(choosing.tolist()) and len(fitting) + len(choosing) == 80
    asked = []

    def score(logits):
        assert logits.shape == (2, 26, len(choosing))
        right = (logits.argmax(dim=0) == labels[choosing]).float().mean(dim=1)
        asked.append(right)
        return right

    found = linear.fit(features, F.one_hot(labels).float(), fitting, choosing, score)
    members = [(rate, penalty) for penalty in reversed(linear.PENALTIES) for rate in linear.RATES]
    assert (found.rate, found.penalty) == members[int(asked[0].argmax())] and found.penalty > 1e-6
    none = linear.fit(features, F.one_hot(labels).float(), fitting, choosing[:0], score)
    assert (none.rate, none.penalty) == linear.UNCHOSEN and len(asked) == 1


def test_standard_features_are_uncorrelated_and_constants_stay_zero():
    features = torch.randn(50, 4, dtype=torch.float64) @ torch.randn(4, 4).double() + 5
    features[:, 2] = 3.
    standard = linear.standard_of(features)
    rows = standard(features)
    torch.testing.assert_close(rows.T @ rows / 50, torch.diag(standard.variances), rtol=0, atol=1e-9)
    assert standard.variances.sum() == pytest.approx(3)  # of three axes of variance 1


def test_few_shots_are_so_many_of_each_class():
    labels = torch.tensor([0] * 5 + [1] * 10 + [2] * 21)
    assert shots.draw(labels, 'all', 0).tolist() == list(range(36))
    assert labels[shots.draw(labels, '3', 0)].bincount().tolist() == [3, 3, 3]
    assert labels[shots.draw(labels, '10%', 0)].bincount().tolist() == [1, 1, 3]
    assert shots.draw(labels, '3', 0).tolist() == shots.draw(labels, '3', 0).tolist()
    assert shots.draw(labels, '3', 0).tolist() != shots.draw(labels, '3', 1).tolist()
    with pytest.raises(InputError, match='--shots 6: class ant has 5 images; use at most that many'):
        shots.draw(labels, '6', 0, ('ant', 'bee', 'cat'))
    for wrong in ('0', '-1', 'x', '0%', '101%', '1.5', ''):
        with pytest.raises(InputError, match=f'--shots {wrong}: all, a number'):
            shots.check_shots(wrong)
    fitting, choosing = shots.split(torch.tensor([0, 1, 1, 1, 2, 2]), 0)
    assert 0 in fitting and sorted([*fitting.tolist(), *choosing.tolist()]) == list(range(6)) and len(choosing) == 2


def test_effective_rank_is_the_number_of_directions_that_matter_alike():
    axes = torch.eye(6).repeat(50, 1) * torch.tensor([1, 1, 1, 0, 0, 0.])
    assert effective_rank(torch.cat([axes, -axes])) == pytest.approx(3)
    assert effective_rank(torch.outer(torch.randn(40), torch.randn(6)) + 9) == pytest.approx(1)
    values = torch.linalg.svdvals((rows := torch.randn(40, 5)) - rows.mean(dim=0))
    shares = values / values.sum()
    assert effective_rank(rows) == pytest.approx(float(torch.exp(-(shares * shares.log()).sum())), rel=1e-5)
    assert effective_rank(torch.ones(4, 3)) == pytest.approx(1)


def test_patches_have_the_shares_of_their_pixels():
    labels = np.random.default_rng(0).integers(4, size=(12, 8)).astype(np.uint8)
    labels[labels == 3] = 255
    shares = dense.patch_shares(labels, (3, 2), 3)
    for y in range(3):
        for x in range(2):
            part = labels[4 * y:4 * y + 4, 4 * x:4 * x + 4]
            assert shares[2 * y + x].tolist() == [(part == k).sum() / 16 for k in range(3)]
    odd = dense.patch_shares(np.zeros((7, 11), np.uint8), (3, 4), 2)  # a grid that does not divide the pixels
    assert odd[:, 0].tolist() == [1.] * 12


def test_the_miou_is_mmsegs():
    rng = np.random.default_rng(0)
    metric = IoUMetric()
    metric.dataset_meta = dict(classes=('a', 'b', 'c', 'd', 'never'))
    counts = []
    for shape in ((20, 30), (33, 17)):
        labels, scores = rng.integers(4, size=shape), torch.randn(5, 4, 6)
        scores[4] = -9
        labels[rng.random(shape) < .2] = 255
        prediction = dense.segmented(scores, shape)
        counts.append(dense.areas(prediction, labels, 5))
        metric.process({}, [dict(pred_sem_seg=dict(data=torch.from_numpy(prediction)[None]),
                                 gt_sem_seg=dict(data=torch.from_numpy(labels)[None]))])
    assert round(100 * dense.mean_iou(counts), 2) == pytest.approx(metric.evaluate(2)['mIoU'], abs=.011)
    with pytest.raises(InputError, match='no pixel of the test images has a class'):
        dense.mean_iou([dense.areas(prediction, np.full(shape, 255), 5)])


def test_the_iou_of_patches_is_that_of_whole_ones():
    labels = torch.randint(3, (2, 40))
    found = dense.soft_iou(F.one_hot(labels[0], 3).float(), labels)
    assert found[0] == 1
    expected = dense.mean_iou([dense.areas(labels[1].numpy(), labels[0].numpy(), 3)])
    assert found[1] == pytest.approx(expected)


def patches(number, of=16, width=8):
    """Images whose class is told by one patch of theirs, somewhere."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(number) % 3
    rows = torch.randn(number, of, width, generator=generator)
    places = torch.randint(of, (number, ), generator=generator)
    rows[torch.arange(number), places] = 4 * torch.eye(width)[labels]
    return rows, labels


def test_attention_finds_the_patch_that_tells_the_class():
    rows, labels = patches(400)
    mean = rows.mean(dim=1)
    pooled = neighbours_accuracy((mean[:320], labels[:320]), (mean[320:], labels[320:]), [10])[0]
    probes = attentive.train(lambda ids: rows[:320][ids], labels[:320], 3, steps=300, batch=64)
    plain, efficient = attentive.accuracies(probes, lambda ids: rows[320:][ids], labels[320:])
    assert min(plain, efficient) > max(.9, pooled + .1)
    once, again = (attentive.train(lambda ids: rows[ids], labels, 3, steps=5) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(once.parameters(), again.parameters(), strict=True))


def test_attentive_poolings_are_those_of_plain_loops():
    rows, _ = patches(4)
    probes = attentive.AttentiveProbes(*attentive.statistics(lambda ids: rows[ids], 4), 3, queries=2).eval()
    nn.init.normal_(probes.queries)
    flat = rows.flatten(0, 1)
    scaled = (rows - flat.mean(dim=0)) / flat.std(dim=0)
    expected = []
    for image in scaled:
        pooled = [((image @ query * 8**-.5).softmax(dim=0)[:, None] * image).sum(dim=0) for query in probes.queries]
        parts = torch.cat([token @ value for token, value in zip(pooled[1:], probes.values, strict=True)])
        expected.append([head(norm(token[None])[0]) for head, norm, token in zip(
            probes.heads, probes.norms, (pooled[0], parts), strict=True)])
    for i, logits in enumerate(probes(rows)):
        torch.testing.assert_close(logits, torch.stack([row[i] for row in expected]), rtol=1e-4, atol=1e-4)


def test_probes_draw_nothing_from_the_global_generator(digits):
    rows, labels = patches(30)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    attentive.train(lambda ids: rows[ids], labels, 3, steps=2)
    fitting, choosing = shots.split(labels, 0)
    linear.fit(rows.flatten(1), F.one_hot(labels).float(), fitting, choosing, lambda logits: logits.sum(dim=(0, 2)))
    assert torch.equal(torch.rand(1), expected)


def test_figures_by_layer_are_drawn_whatever_checkpoints_are_called():
    curves = {('_$x_1$ 猫.pth', 'mean'): [(0, 1., .1), (3, 2., 0.)], ('b', 'cls_token'): [(3, 2., 0)]}
    file = layers_picture(dict(linear=curves, knn=curves), 'a $title', 'top1')
    picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 720 and picture.std() > 5


def test_attention_maps_are_means_of_what_tokens_take():
    weights = torch.rand(2, 14, 14).softmax(dim=-1)
    found = attention_map(weights, slice(0, 2), 2, (3, 4))
    expected = [[float(weights[:, :2, 2 + 4 * y + x].mean()) for x in range(4)] for y in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
