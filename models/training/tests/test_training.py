"""Needs PyTorch, and no data."""

import copy
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from arrhythmianet_training import augment, data, export, fast, sparsity
from arrhythmianet_training.architectures import Network
from arrhythmianet_training.layout import LAYERS, PARAMETER_LIMITS, multiply_accumulates
from arrhythmianet_training.settings import Mix


def some_records(beats=40, length=60_000):
    generator = np.random.Generator(np.random.PCG64(1))
    position = np.sort(generator.integers(1_000, length - 1_000, beats))
    return data.Records(
        signal=torch.from_numpy(generator.normal(0, 300, (2, length)).astype(np.float32)),
        names=["a"],
        record=np.zeros(beats, dtype=np.int64),
        sample=position - data.EDGE,
        position=position,
        detected=np.where(np.arange(beats) % 4 == 0, -1, position + np.array([[2], [6]])),
        label=np.arange(beats) % 5,
        beat=np.arange(beats),
        has_detections=True,
        every_sample=[position - data.EDGE],
        every_symbol=[np.full(beats, ord("N"))],
        found=[],
        start=[data.EDGE],
    )


class Strangers(unittest.TestCase):
    def test_records_of_ci_are_refused(self):
        for name in ("855", "863", "svdb-855", "svdb_863"):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                Path(folder, f"{name}.safetensors").write_bytes(b"")
                with self.assertRaisesRegex(SystemExit, "never trained"):
                    data.load_records(folder)
                with self.assertRaisesRegex(SystemExit, "never trained"):
                    data.load_noise(folder)


class Architectures(unittest.TestCase):
    def test_sizes(self):
        for name, parameters, work in [("v1", 74_165, 990_720), ("v2", 34_357, 654_768)]:
            with self.subTest(name):
                network = Network(LAYERS[name], folded=True)
                self.assertEqual(sum(p.numel() for p in network.parameters()), parameters)
                self.assertLessEqual(parameters, PARAMETER_LIMITS[name])
                self.assertEqual(multiply_accumulates(LAYERS[name]), work)

    def test_folding_keeps_the_logits(self):
        torch.manual_seed(3)
        windows = torch.randn(64, 1, 128)
        for name, layers in LAYERS.items():
            with self.subTest(name):
                network = Network(layers).train()
                network(windows * 2 + 1)  # moves the running statistics away from 0 and 1
                network.eval()
                with torch.no_grad():
                    difference = (network(windows) - export.fold(network)(windows)).abs().max()
                self.assertLess(float(difference), 1e-4)


class Sparsity(unittest.TestCase):
    def test_products_that_skip_zeros(self):
        for name, expected in [("v1", (884_736, 884_736)), ("v2", (215_040, 251_904))]:
            with self.subTest(name):
                parts = sparsity.watched(Network(LAYERS[name]))
                self.assertEqual(tuple(sum(p[i] for p in parts) for i in (1, 2)), expected)

    def test_density_counts_what_is_above_zero(self):
        torch.manual_seed(4)
        for name, layers in LAYERS.items():
            network = Network(layers)
            parts, windows = sparsity.watched(network), torch.randn(8, 1, 128)
            for step in (fast.plain, fast.forward):
                before = []
                step(copy.deepcopy(network), windows, before=before)
                with self.subTest(name=name, step=step):
                    self.assertEqual([len(b) for b in before], [len(p.normalisation.weight) for p, _, _ in parts])
                    found = sparsity.density(network, before)
                    for side in (0, 1):
                        counted = sum(float((b > 0).float().mean()) * part[1 + side] for part, b in zip(parts, before))
                        self.assertAlmostEqual(
                            float(found[side]), counted / sum(part[1 + side] for part in parts), places=5
                        )
                    pairs = [[(b[:, n] > 0) | (b[:, (n + 4) % 8] > 0) for n in range(8)] for b in before]
                    counted = sum(float(torch.stack(p).float().mean()) * part[2] for part, p in zip(parts, pairs))
                    self.assertAlmostEqual(float(found[2]), counted / sum(part[2] for part in parts), places=5)

    def test_asking_for_less_leaves_less(self):
        for name, wanted in [("v1", (0.2, 0.2)), ("v2", (1.0, 1.0, 0.3))]:
            with self.subTest(name):
                torch.manual_seed(5)
                network, windows = Network(LAYERS[name]).train(), torch.randn(64, 1, 128)
                optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
                for step in range(41):
                    before = []
                    fast.forward(network, windows, before=before)
                    if step == 0:
                        first = [float(d) for d in sparsity.density(network, before)]
                        self.assertEqual(float(sparsity.excess(network, before, first, wanted, 0.0)), 0.0)
                    loss = sparsity.excess(network, before, first, wanted, 1.0)
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
                for now, start, least in zip(sparsity.density(network, before), first, wanted):
                    if least < start:
                        self.assertLess(float(now), start - 0.15)

    def test_pruning_leaves_groups_of_zeros(self):
        torch.manual_seed(6)
        network, windows = Network(LAYERS["v2"]).train(), torch.randn(64, 1, 128)
        pruning = sparsity.Pruning(network, (0.5, 0.4))
        pruning.fall(network, windows, 0.0)
        self.assertEqual(pruning.left(network), [1.0, 1.0])
        before = [mask.clone() for mask in pruning.masks]
        for progress in (0.1, 0.2, 1.0):
            pruning.fall(network, windows, progress)
            for old, new in zip(before, pruning.masks):
                self.assertTrue(bool((new <= old).all()), "a group came back")
            before = [mask.clone() for mask in pruning.masks]
        again = sparsity.Pruning(network, (0.5, 0.4))
        self.assertEqual(again.left(network), pruning.left(network))
        other = Network(LAYERS["v2"])
        pruning.apply(other)
        for pruned in (network, other):
            counted, total = [0, 0], [0, 0]
            for part, rows, axis in sparsity.bottlenecks(pruned):
                weight = part.convolution.weight[:, :, 0].detach()
                hidden_first = weight if axis == 0 else weight.t()
                for first in range(0, len(hidden_first), sparsity.GROUP):
                    group = hidden_first[first : first + sparsity.GROUP]
                    zero = group == 0
                    self.assertTrue(bool((zero.all(0) == zero.any(0)).all()), "part of a group is zero")
                    counted[axis] += rows * int((~zero).all(0).sum())
                    total[axis] += rows * group.shape[1]
            for kept, all_of_them, wanted in zip(counted, total, (0.5, 0.4)):
                self.assertLessEqual(kept / all_of_them, wanted)
                self.assertGreater(kept / all_of_them, wanted - 0.02)
            self.assertEqual([kept / of for kept, of in zip(counted, total)], pruning.left(network))

    def test_pruning_leaves_some_of_every_product(self):
        worth = [torch.arange(8) * 1e-6, torch.arange(8) + 1.0]
        for rows, expected in [((8, 8), (3, 5)), ((8, 4), (3, 6))]:
            with self.subTest(rows=rows):
                left = sparsity.best(worth, rows, 0.5)
                self.assertEqual(tuple(int(of_product.sum()) for of_product in left), expected)
                for of_product in left:  # ascending worth
                    self.assertTrue(bool((of_product.diff() >= 0).all()))

    def test_pruning_keeps_what_adds_most(self):
        torch.manual_seed(7)
        network = Network(LAYERS["v2"]).train()
        part, _, _ = sparsity.bottlenecks(network)[0]
        part.convolution.weight.data[: sparsity.GROUP, 3] *= 100
        part.convolution.weight.data[: sparsity.GROUP, 4] *= 1e-3
        pruning = sparsity.Pruning(network, (0.5, 0.5))
        pruning.fall(network, torch.randn(64, 1, 128), 1.0)
        self.assertEqual(pruning.masks[0][0, 3:5].tolist(), [1.0, 0.0])

    def test_a_network_without_bottlenecks_has_nothing_to_prune(self):
        with self.assertRaisesRegex(ValueError, "linear bottlenecks"):
            sparsity.Pruning(Network(LAYERS["v1"]), (0.5, 0.5))


class Windows(unittest.TestCase):
    def test_cut_is_the_documented_formula(self):
        records = some_records()
        windows = augment.cut(records.signal, torch.tensor([1]), torch.tensor([5_000]))
        expected = [float(records.signal[1, 5_000 + 2 * (k - 55)]) for k in range(128)]
        self.assertEqual(windows[0].tolist(), expected)

    def test_unwarped_cut_equals_the_plain_one(self):
        records = some_records()
        lead, position = torch.tensor([0, 1]), torch.tensor([4_321, 50_000])
        warped = augment.cut_warped(records.signal, lead, position.double(), torch.ones(2))
        self.assertTrue(torch.equal(warped, augment.cut(records.signal, lead, position)))

    def test_half_a_sample_between_two_samples_of_a_ramp(self):
        signal = torch.arange(2_000.0).repeat(2, 1)
        warped = augment.cut_warped(signal, torch.tensor([0]), torch.tensor([800.5]).double(), torch.ones(1))
        self.assertAlmostEqual(float(warped[0, augment.R_INDEX]), 800.5, places=3)

    def test_normalisation(self):
        windows = augment.normalise(torch.stack([torch.randn(128) * 500 + 90, torch.full((128,), 7.0)]))
        self.assertAlmostEqual(float(windows[0].mean()), 0, places=5)
        self.assertAlmostEqual(float(windows[0].square().mean()), 1, places=4)
        self.assertEqual(float(windows[1].abs().max()), 0)

    def test_draws_repeat_with_the_seed_and_stay_finite(self):
        records, beats = some_records(), torch.arange(40)
        drawn, noise = [], torch.randn(2, 9_000)
        for seed in (5, 5, 6):
            generator = torch.Generator().manual_seed(seed)
            augmenter = augment.Augmenter(records, Mix(), [noise], generator)
            drawn.append(augmenter.draw(beats))
        self.assertEqual(drawn[0].shape, (40, 1, 128))
        self.assertTrue(torch.isfinite(drawn[0]).all())
        self.assertTrue(torch.equal(drawn[0], drawn[1]))
        self.assertFalse(torch.equal(drawn[0], drawn[2]))

    def test_second_lead_is_cut_where_its_own_detector_found_r(self):
        records, beats = some_records(), torch.arange(1, 4)
        still = dict(plain=1.0, jittered=0.0, far=0.0, baseline=0.0, noise=0.0, mains=0.0, at_detected=1.0)
        for lead, shift in [(0, 2), (1, 6)]:
            mix = Mix(second_lead=float(lead), **still)
            drawn = augment.Augmenter(records, mix, [], torch.Generator().manual_seed(1)).draw(beats)
            position = torch.from_numpy(records.position)[beats] + shift
            plain = augment.normalise(augment.cut(records.signal, torch.full((3,), lead), position))
            with self.subTest(lead=lead):
                self.assertLess(float((drawn[:, 0] - plain).abs().max()), 1e-5)
