"""Needs PyTorch, and no data. What the context networks add."""

import copy
import json
import math
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from arrhythmianet_training import (
    augment_context,
    beats,
    context,
    data,
    export,
    export_context,
    fast,
    fit,
    rhythm,
    warm,
)
from arrhythmianet_training.architectures import Network
from arrhythmianet_training.layout import LAYERS, PARAMETER_LIMITS
from arrhythmianet_training.settings import ContextMix, ContextSettings


def plain_context(r0, earlier):
    """The definition once more, one beat at a time, with numpy's own percentiles."""
    earlier = [r for r in earlier if not math.isnan(r)][:256]
    if len(earlier) < 2:
        return [0.0] * 16

    def f(ratio):
        return 0.0 if math.isnan(ratio) else 2 * float(np.clip(np.log(ratio), -1.5, 1.5))

    near, far = earlier[:64], earlier
    p75, p25 = np.percentile(near, 75), np.percentile(near, 25)
    steps = [abs(math.log(a / b)) for a, b in zip(earlier[:8], earlier[1:9])]
    unknown = math.isnan(r0)

    def share(values, limit):
        return 0.0 if unknown else 2 * sum(v < limit for v in values) / len(values)

    return [
        f(r0 / np.mean(earlier[:8])),
        f(r0 / np.median(far)),
        f(r0 / earlier[0]),
        f(r0 / 0.8),
        f(r0 / p75),
        f(r0 / np.percentile(far, 75)),
        f(r0 / np.percentile(far, 90)),
        4 * min(0.8, np.mean(steps)),
        3 * min(1.0, (p75 - p25) / np.median(near)),
        share(near, 1.02 * r0),
        share(far, 0.97 * r0),
        *(f(earlier[k] / p75) if k < len(earlier) else 0.0 for k in range(4)),
        f(p75 / np.median(far)),
    ]


class Context(unittest.TestCase):
    def test_values_are_the_documented_ones(self):
        generator = np.random.Generator(np.random.PCG64(4))
        rows = [[0.8], [0.8, 0.7], [math.nan, 0.8, 0.9, 0.7], [0.5, 0.8, 0.9], [0.4] + [0.8] * 256, [2.9] + [0.25] * 70]
        rows += [list(generator.uniform(0.3, 2.0, generator.integers(2, 257))) for _ in range(40)]
        filled = torch.full((len(rows), 257), math.nan, dtype=torch.float64)
        for place, row in zip(filled, rows):
            place[: len(row)] = torch.tensor(row, dtype=torch.float64)
        found = context.rr_context(filled[:, 0], filled[:, 1:])
        for row, values in zip(rows, found):
            with self.subTest(row=[round(r, 3) for r in row[:4]], length=len(row)):
                np.testing.assert_allclose(values.numpy(), plain_context(row[0], row[1:]), atol=1e-5)

    def test_history_leaves_out_pauses(self):
        r0, history = context.histories([0, 200, 400, 1_400, 1_650], 250)
        self.assertEqual([round(float(v), 3) for v in r0[1:3]] + [round(float(r0[4]), 3)], [0.8, 0.8, 1.0])
        self.assertTrue(math.isnan(r0[0]) and math.isnan(r0[3]))
        self.assertEqual([round(float(v), 3) for v in history[4, :2]], [0.8, 0.8])
        self.assertTrue(history[4, 2:].isnan().all())

    def test_template_is_the_median_of_complete_windows_and_renewed_every_eighth(self):
        windows = torch.arange(30.0)[:, None].repeat(1, 4)
        complete = torch.ones(30, dtype=torch.bool)
        complete[2] = False
        made, index = context.templates(windows, complete)

        def value(beat):
            return None if index[beat] < 0 else float(made[index[beat], 0])

        rows = [(0, None), (1, 0.0), (2, 0.5), (3, 0.5), (4, 1.0), (9, 4.5), (10, 4.5), (16, 4.5), (17, 8.5)]
        for beat, expected in rows:
            with self.subTest(beat=beat):
                self.assertEqual(value(beat), expected)


class Rhythm(unittest.TestCase):
    def test_time_map_moves_what_lies_before_the_splice(self):
        moved = rhythm.TimeMap(torch.tensor([0.8, 0.8]), torch.tensor([0.5, 0.8]), torch.tensor([0.2, 0.2]))
        t = torch.tensor([[-0.6, -0.5, -0.2, -0.1, 0.3]]).repeat(2, 1)
        source = moved(t)
        np.testing.assert_allclose(source[0, [0, 1, 2, 3, 4]], [-0.9, -0.8, -0.2, -0.1, 0.3], atol=1e-4)
        self.assertTrue(torch.equal(source[1], t[1]))

    def test_time_map_never_runs_backwards(self):
        generator = torch.Generator().manual_seed(2)
        original = 0.4 + torch.rand(200, generator=generator)
        edited = original * (0.5 + torch.rand(200, generator=generator))
        source = rhythm.TimeMap(original, edited.clamp_min(0.28), torch.full((200,), 0.2))(
            torch.linspace(-0.44, 0.57, 300).expand(200, -1)
        )
        self.assertGreaterEqual(float(source.diff(dim=1).min()), -1e-5)

    def test_patterns_end_as_their_bank_says(self):
        premature, regular = rhythm.pattern_bank(np.random.Generator(np.random.PCG64(3)), 60)
        self.assertEqual((premature.shape, regular.shape), ((60, 257), (60, 257)))
        self.assertLess(float(premature[:, 0].mean()), 0.85)
        self.assertGreaterEqual(float(regular[:, 0].min()), 0.9)


def some_beats(count=600):
    """Three synthetic records of steady rhythm, all classes."""
    generator = np.random.Generator(np.random.PCG64(9))
    samples = [200 * np.arange(3, count + 3) + generator.integers(-4, 5, count) for _ in range(3)]
    length = int(max(s[-1] for s in samples)) + 400
    step = length + 2 * data.EDGE
    symbols = np.array([ord(c) for c in "NNNNNNNNLLLRRRAVV/F"])
    symbol = [symbols[generator.integers(0, len(symbols), count)].astype(np.uint8) for _ in range(3)]
    signal = torch.from_numpy(generator.normal(0, 300, (2, 3 * step)).astype(np.float32))
    empty = np.zeros(0, dtype=np.int64)
    records = data.Records(
        signal=signal,
        names=["101", "106", "108"],
        record=empty,
        sample=empty,
        position=empty,
        detected=empty,
        label=empty,
        beat=empty,
        has_detections=True,
        every_sample=samples,
        every_symbol=symbol,
        found=[[s[s % 5 > 0] + 1, s + 2] for s in samples],
        start=[data.EDGE + i * step for i in range(3)],
    )
    return beats.build(records)


class Draws(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.beats = some_beats()
        cls.pool = np.flatnonzero(cls.beats.group >= 0)

    def augmenter(self, seed=1, **mix):
        generator = torch.Generator().manual_seed(seed)
        return augment_context.ContextAugmenter(self.beats, ContextMix(**mix), [], generator, self.pool)

    def test_draws_are_finite_and_repeat_with_the_seed(self):
        drawn = []
        for seed in (1, 1, 2):
            a = self.augmenter(seed)
            chosen = torch.cat([a.synthetic_beats(40), torch.from_numpy(self.pool[:400])])
            drawn.append(a.draw(chosen, torch.arange(440) < 40))
        self.assertEqual((drawn[0][0].shape, drawn[0][1].shape), ((440, 2, 128), (440, 16)))
        self.assertTrue(all(torch.isfinite(part).all() for part in drawn[0]))
        self.assertTrue(torch.equal(drawn[0][0], drawn[1][0]) and torch.equal(drawn[0][1], drawn[1][1]))
        self.assertFalse(torch.equal(drawn[0][0], drawn[2][0]))

    def test_without_any_edit_a_draw_is_the_input_row(self):
        still = dict(edits=0.0, swap=0.0, second_lead=0.0, detector_history=0.0, lost_or_extra=0.0, at_detected=0.0)
        still |= dict(jittered=0.0, warp=0.0, amplitude=0.0, baseline=0.0, noise=0.0, mains=0.0, context_noise=0.0)
        chosen = self.pool[100:300]
        windows, values = self.augmenter(**still).draw(torch.from_numpy(chosen), torch.zeros(200, dtype=torch.bool))
        drawn = torch.cat([windows.flatten(1), values], 1)
        shares = [256 + 9, 256 + 10]  # computed in float32 here: an interval just at the limit may fall on either side
        kept = [i for i in range(272) if i not in shares]
        difference = (drawn - beats.rows(self.beats, chosen))[:, kept].abs()
        self.assertLess(float(difference.max()), 1e-3)

    def test_synthetic_beats_are_premature(self):
        a = self.augmenter(context_noise=0.0, lost_or_extra=0.0)
        chosen = a.synthetic_beats(300)
        _, values = a.draw(chosen, torch.ones(300, dtype=torch.bool))
        self.assertLess(float(values[:, 6].mean()), -0.2)  # shorter than most of the last 256

    def test_sampling_gives_classes_their_share(self):
        settings = ContextSettings()
        weight = fit.sampling(self.beats, self.pool, settings).diff(prepend=torch.zeros(1)).numpy()
        group = self.beats.group[self.pool]
        count = np.bincount(group).astype(float)
        np.testing.assert_allclose(np.bincount(group, weight), count**0.5 / (count**0.5).sum(), rtol=1e-6)


class Networks(unittest.TestCase):
    def test_sizes_with_context_and_novelty(self):
        for name, parameters, features in [("v1", 74_165 + 112 + 256, 128), ("v2", 34_357 + 112 + 256, 112)]:
            with self.subTest(name):
                network = Network(LAYERS[name], 2, folded=True, context=16)
                self.assertEqual(sum(p.numel() for p in network.parameters()), parameters)
                self.assertLessEqual(parameters + 6 * features, PARAMETER_LIMITS[name])

    def test_context_adds_the_same_at_every_position(self):
        network = Network(LAYERS["v1"], 2, context=16).eval()
        stem, window = network.layers[0].parts["conv"], torch.randn(1, 2, 128)
        stem.relu = False
        with torch.no_grad():
            added = stem(window, torch.ones(1, 16)) - stem(window, torch.zeros(1, 16))
        self.assertLess(float((added - added[..., :1]).abs().max()), 1e-5)

    def test_folding_keeps_the_logits(self):
        torch.manual_seed(3)
        rows = torch.randn(64, 272)
        for name, layers in LAYERS.items():
            with self.subTest(name):
                network = Network(layers, 2, context=16).train()
                network.from_rows(rows * 2 + 1)
                network.eval()
                with torch.no_grad():
                    difference = (network.from_rows(rows) - export.fold(network).from_rows(rows)).abs().max()
                self.assertLess(float(difference), 1e-4)

    @unittest.skipIf(fast.LIBRARY is None, "no C compiler")
    def test_the_fast_step_is_the_plain_step(self):
        self.is_the_plain_step(fast.forward)

    def test_the_composed_step_is_the_plain_step(self):
        self.is_the_plain_step(lambda network, x, c: fast.composed(network, x, c)[0])

    def is_the_plain_step(self, step):
        for name, layers in LAYERS.items():
            torch.manual_seed(5)
            plain = Network(layers, 2, context=16)
            quick = copy.deepcopy(plain)
            x, c, y = torch.randn(32, 2, 128), torch.randn(32, 16), torch.arange(32) % 5
            a, b = plain(x, c), step(quick, x, c)
            torch.nn.functional.cross_entropy(a, y).backward()
            torch.nn.functional.cross_entropy(b, y).backward()
            with self.subTest(name):
                self.assertLess(float((a - b).abs().max()), 1e-4)
                difference = math.sqrt(
                    sum(float((p.grad - q.grad).square().sum()) for p, q in zip(plain.parameters(), quick.parameters()))
                )
                whole = math.sqrt(sum(float(p.grad.square().sum()) for p in plain.parameters()))
                self.assertLess(difference / whole, 0.02)
                for p, q in zip(plain.buffers(), quick.buffers()):
                    if p.dtype.is_floating_point:
                        self.assertLess(float((p - q).abs().max()), 1e-4)

    def test_warm_start_gives_the_waveform_networks_logits(self):
        for name, layers in LAYERS.items():
            torch.manual_seed(6)
            given = Network(layers, folded=True).eval()
            rows = torch.randn(512, 272)
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "given.safetensors"
                description = {"layers": layers, "input": {"channels": 1}}
                save_file(export.named_tensors(given), path, metadata={"ecg_gateway": json.dumps(description)})
                network = Network(layers, 2, context=16)
                warm.start_from(network, export.load_weights(path)[0], rows)
                with torch.no_grad():
                    difference = network.eval().from_rows(rows) - given(rows[:, None, :128])
                self.assertLess(float(difference.abs().max()), 1e-3)

    def test_group_loss_ignores_n_l_r_confusion_but_for_its_share(self):
        logits = torch.tensor([[0.0, 9.0, 0.0, 0.0, 0.0]])
        group, label = torch.tensor([0]), torch.tensor([0])
        self.assertLess(float(fit.loss_of(logits, group, label, 0.0)), 0.01)
        self.assertAlmostEqual(float(fit.loss_of(logits, group, label, 1.0)), 9.0, delta=0.05)
        self.assertLess(float(fit.loss_of(logits, group, torch.tensor([-1]), 1.0)), 0.01)

    def test_soft_loss_of_hard_targets_is_the_loss(self):
        torch.manual_seed(7)
        logits, label, weight = 3 * torch.randn(64, 5), torch.arange(64) % 5, torch.rand(64)
        group = torch.tensor([0, 0, 0, 1, 2])[label]
        wanted = torch.nn.functional.one_hot(label, 5).float()
        for five in (0.0, 0.15, 1.0):
            hard, soft = fit.loss_of(logits, group, label, five, weight), fit.soft_loss_of(logits, wanted, five, weight)
            self.assertAlmostEqual(float(hard), float(soft), places=5)

    def test_teachers_probabilities_have_the_least_soft_loss(self):
        torch.manual_seed(8)
        wanted, weight = torch.randn(16, 5).softmax(1), torch.ones(16)
        least = fit.soft_loss_of(wanted.log(), wanted, 0.5, weight)
        for _ in range(20):
            self.assertGreater(
                float(fit.soft_loss_of(wanted.log() + 0.3 * torch.randn(16, 5), wanted, 0.5, weight)), float(least)
            )


class Judging(unittest.TestCase):
    def test_novelty_is_small_inside_and_large_outside(self):
        features, label = torch.randn(2_000, 12), torch.arange(2_000) % 5
        mean, scale = export_context.class_statistics(features + label[:, None], label)
        inside = export_context.distance(features[:50] + 2, mean, scale)
        outside = export_context.distance(features[:50] - 12, mean, scale)
        self.assertGreater(float(outside.min()), float(inside.max()))

    def test_a_class_the_fold_lacks_is_near_nothing(self):
        features, label = torch.randn(1_000, 12), torch.arange(1_000) % 5
        far = export_context.distance(
            features[label != 1], *export_context.class_statistics(features[label != 1], label[label != 1])
        )
        self.assertTrue(bool(far.isfinite().all()))
