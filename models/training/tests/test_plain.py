"""What needs no PyTorch and no data: runs everywhere."""

import json
import pickle
import tempfile
import unittest
from dataclasses import asdict
from pathlib import Path

import numpy as np

from arrhythmianet_training import (
    bias,
    configuration,
    inter,
    layout,
    metrics,
    reject,
    schedule,
    settings,
    splits,
    tables,
    trainer,
)

CONFIGURATIONS = Path(__file__).parents[1] / "configurations"
MODELS = Path(__file__).parents[2]


class Strangers(unittest.TestCase):
    def test_records_of_ci_are_refused(self):
        for name in ("855", "863", "svdb-855", "svdb_863"):
            with self.subTest(name), self.assertRaisesRegex(SystemExit, "never trained"):
                splits.refuse_strangers([f"somewhere/{name}.safetensors"])
        splits.refuse_strangers(["100.safetensors", "svdb-854.safetensors", "8550.safetensors"])


class Layout(unittest.TestCase):
    def test_multiply_accumulates(self):
        for name, work in [("v1", 990_720), ("v2", 654_768)]:
            self.assertEqual(layout.multiply_accumulates(layout.LAYERS[name]), work)
        channels, values = layout.WITH_CONTEXT
        for name, work in [("v1", 998_144), ("v2", 662_192)]:
            found = layout.multiply_accumulates(layout.LAYERS[name], channels, context=values)
            self.assertEqual(found, work)


class Configurations(unittest.TestCase):
    def test_every_released_model_has_one(self):
        released = {path.stem for folder in (MODELS, MODELS / "evaluation") for path in folder.glob("*.safetensors")}
        self.assertEqual({path.stem for path in CONFIGURATIONS.glob("*.toml")}, released - {"background"})

    def test_all_are_read_and_end_with_the_model(self):
        for path in sorted(CONFIGURATIONS.glob("*.toml")):
            with self.subTest(path.name):
                runs = configuration.read(path)
                self.assertEqual(runs[-1].name, path.stem)
                for run in runs:
                    for source in (*run.teachers, *([run.start] if run.start else [])):
                        if configuration.is_weights(source):
                            self.assertTrue((MODELS / source).exists(), source)

    def test_a_run_of_the_same_name_is_the_same_in_every_file(self):
        seen = {}
        for path in CONFIGURATIONS.glob("*.toml"):
            for run in configuration.read(path):
                self.assertEqual(seen.setdefault(run.name, run), run, path.name)

    def test_released_waveform_networks_are_configured_as_their_files_say(self):
        for name, path in [(n, MODELS / f"{n}.safetensors") for n in ("v1", "v2")]:
            with open(path, "rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            said = json.loads(header["__metadata__"]["ecg_gateway"])["training"]
            run = configuration.read(CONFIGURATIONS / f"{name}.toml")[-1]
            with self.subTest(name):
                self.assertEqual(run.seed, said["seed"])
                self.assertEqual(run.settings.epochs * run.settings.epoch_draws, said["draws"])
                self.assertEqual(run.settings.density, said["density_wanted"])
                self.assertEqual(run.settings.weights, said.get("weights_wanted"))

    def test_released_context_networks_are_configured_as_their_files_say(self):
        for path in sorted(CONFIGURATIONS.glob("*-context*.toml")):
            places = [folder / f"{path.stem}.safetensors" for folder in (MODELS, MODELS / "evaluation")]
            with open(next(place for place in places if place.exists()), "rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            said = json.loads(header["__metadata__"]["ecg_gateway"])["training"]
            run = configuration.read(path)[-1]
            with self.subTest(path.stem):
                self.assertEqual(run.seed, said["seed"])
                self.assertEqual(len(run.teachers), len(said.get("teachers", [])))
                self.assertEqual(said["settings"].get("members", 1), 1)  # copies averaged: given up since
                current = {key: value for key, value in said["settings"].items() if not key.startswith("member")}
                self.assertEqual(asdict(run.settings), asdict(settings.ContextSettings()) | current)

    def test_what_is_wrong_is_named(self):
        rows = [
            ("[[run]]\nname = 'a'", "no network"),
            ("[[run]]\nnetwork = 'v1'", "no name"),
            ("[[run]]\nname = 'a'\nnetwork = 'v3'", "network 'v3' is none"),
            ("[[run]]\nname = 'a'\nnetwork = 'v1'\nprotocol = 'inter'", "protocol 'inter' is none"),
            ("[[run]]\nname = 'a'\nnetwork = 'v1'\nteachers = ['b']", "'b' is neither"),
            ("[[run]]\nname = 'a'\nnetwork = 'v1'\nsettings = { epoch = 3 }", r"no \['epoch'\]"),
            ("[[run]]\nname = 'a'\nnetwork = 'v1'\nsettings = { mix = { hiss = 1 } }", r"Mix has no \['hiss'\]"),
            ("[[run]]\nname = 'a'\nnetwork = 'v1'\nsettings = { density = [0.3] }", "density has 1 shares"),
            ("[[run]]\nname = 'a'\nnetwork = 'v1'\n[[run]]\nname = 'a'\nnetwork = 'v2'", "another run has this name"),
            ("[[run]]\nname = 'a'\nnetwork = 'v1'\nseeds = 3", r"unknown keys \['seeds'\]"),
            ("runs = []", "expected"),
            ("[[run]", "a.toml: "),
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.toml")
            for text, expected in rows:
                path.write_text(text)
                with self.subTest(text), self.assertRaisesRegex(configuration.ConfigurationError, expected):
                    configuration.read(path)

    def test_settings_can_be_changed_from_outside(self):
        (run,) = configuration.read(CONFIGURATIONS / "v1-dense.toml", ["epochs=3", "learning_rate=1e-3"])
        self.assertEqual((run.settings.epochs, run.settings.learning_rate, run.settings.batch), (3, 1e-3, 2048))

    def test_the_revision_is_a_commit(self):
        self.assertTrue(configuration.is_revision(configuration.revision()))


class Counting:
    """A task whose state is a number."""

    def __init__(self, total=4):
        self.done, self.total, self.sum, self.drawn = 0, total, 0, None

    def advance(self):
        self.done += 1
        self.sum += self.done
        return {"segment": self.done, "sum": self.sum}

    def state(self):
        return {"sum": self.sum}

    def restore(self, state):
        self.done, self.sum = state["done"], state["sum"]

    def draw(self, log, path):
        self.drawn = len(log), path.name


def save(content, path):
    Path(path).write_bytes(pickle.dumps(content))


def load(path):
    return pickle.loads(Path(path).read_bytes())


class Trainers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.run_folder = Path(self.folder.name, "run")

    def trainer(self, revision="a" * 40, **config):
        return trainer.Trainer(self.run_folder, {"seed": 1} | config, revision, save, load, say=lambda text: None)

    def cut_off(self, after):
        """A run that was cut off after so many segments."""
        task = Counting()
        advance = task.advance

        def failing():
            if task.done == after:
                raise KeyboardInterrupt
            return advance()

        task.advance = failing
        with self.assertRaises(KeyboardInterrupt):
            self.trainer().run(task)

    def test_a_run_keeps_everything_in_its_folder(self):
        task = Counting()
        self.trainer().run(task)
        self.assertEqual(task.drawn, (4, "curves.png"))
        config = json.loads((self.run_folder / "config.json").read_text())
        self.assertEqual(config, {"seed": 1, "revisions": ["a" * 40]})
        rows = [json.loads(line) for line in (self.run_folder / "log.jsonl").read_text().splitlines()]
        self.assertEqual([row["sum"] for row in rows], [1, 3, 6, 10])
        self.assertEqual(trainer.result(self.run_folder, load)["sum"], 10)
        self.assertEqual(
            sorted(p.name for p in self.run_folder.iterdir()), ["checkpoint.pt", "config.json", "log.jsonl"]
        )

    def test_a_run_that_was_cut_off_goes_on_and_says_from_which_revisions(self):
        self.cut_off(2)
        with self.assertRaisesRegex(SystemExit, "stopped after 2 of 4"):
            trainer.result(self.run_folder, load)
        task = Counting()
        self.trainer("b" * 40).run(task)
        self.assertEqual((task.done, task.sum), (4, 10))
        config = json.loads((self.run_folder / "config.json").read_text())
        self.assertEqual(config["revisions"], ["a" * 40, "b" * 40])
        self.assertEqual(len(trainer.result(self.run_folder, load)["log"]), 4)

    def test_a_folder_of_other_settings_is_left_alone(self):
        self.cut_off(1)
        with self.assertRaisesRegex(SystemExit, "another seed"):
            self.trainer(seed=2).run(Counting())
        self.assertEqual(load(self.run_folder / "checkpoint.pt")["done"], 1)


class Schedule(unittest.TestCase):
    def test_warm_up_and_cosine(self):
        rates = [schedule.rate_at(step, 100, 2.0, 0.1) for step in range(101)]
        self.assertEqual((rates[0], rates[9], rates[10]), (0.2, 2.0, 2.0))
        self.assertAlmostEqual(rates[55], 1.0)
        self.assertAlmostEqual(rates[100], 0.0)


class Tables(unittest.TestCase):
    def test_table(self):
        self.assertEqual(tables.table(["a", "b"], [["1", "2"]]), "| a | b |\n| --- | --- |\n| 1 | 2 |\n")


class Folds(unittest.TestCase):
    class Table:
        """As many S beats per record as its place in the list says."""

        names = [f"{100 + i}" for i in range(10)]
        record = np.repeat(np.arange(10), 12)
        group = np.array([1 if beat < place else 0 for place in range(10) for beat in range(12)])

        def of_records(self, names):
            return np.flatnonzero(np.isin(np.array(self.names)[self.record], list(names)))

    def test_folds_deal_every_record_once(self):
        table = self.Table()
        dealt = splits.folds(table, table.names, 0)
        self.assertEqual(sorted(n for fold in dealt for n in fold), table.names)
        self.assertEqual(len({len({"109", "108", "107", "106"} & set(fold)) for fold in dealt}), 1, "the rich apart")
        self.assertNotEqual(dealt, splits.folds(table, table.names, 1))


class Splits(unittest.TestCase):
    def test_parts_are_disjoint_complete_and_stratified(self):
        label = np.repeat(np.arange(5), [1_000, 300, 200, 60, 110])
        parts = splits.split_intra(label)
        together = np.sort(np.concatenate(list(parts.values())))
        self.assertEqual(together.tolist(), list(range(len(label))))
        for part, share in [("train", 0.8), ("validation", 0.1), ("test", 0.1)]:
            with self.subTest(part):
                expected = [round(share * n) for n in (1_000, 300, 200, 60, 110)]
                self.assertEqual(np.bincount(label[parts[part]]).tolist(), expected)

    def test_ds1_and_ds2_share_no_record(self):
        self.assertEqual(
            (len(set(splits.DS1)), len(set(splits.DS2)), len(set(splits.DS1) & set(splits.DS2))), (22, 22, 0)
        )

    def test_each_detection_is_matched_once_and_nearest_first(self):
        rows = [
            ([100, 130], [128], 37, [-1, 128]),
            ([100, 200], [105, 260], 37, [105, -1]),
            ([100], [90, 104], 37, [104]),
            ([100], [], 37, [-1]),
        ]
        for reference, detected, window, expected in rows:
            with self.subTest(reference=reference, detected=detected):
                found = splits.match(np.array(reference), np.array(detected, dtype=np.int64), window)
                self.assertEqual(found.tolist(), expected)


class Metrics(unittest.TestCase):
    def test_temperature_undoes_overconfidence(self):
        generator = np.random.Generator(np.random.PCG64(2))
        logits = generator.normal(0, 2, (20_000, 5))
        probability = metrics.softmax(logits)
        label = (probability.cumsum(axis=1) > generator.random((20_000, 1))).argmax(axis=1)
        temperature = metrics.fit_temperature(3 * logits, label)
        self.assertAlmostEqual(temperature, 3, delta=0.1)
        calibrated = metrics.expected_calibration_error(3 * logits, label, temperature)
        self.assertLess(calibrated, 0.01)
        self.assertGreater(metrics.expected_calibration_error(3 * logits, label, 1.0), 0.1)

    def test_scores(self):
        judged = metrics.scores(np.eye(5)[[0, 0, 4, 4]], np.array([0, 0, 4, 0]))
        self.assertEqual(judged["accuracy"], 0.75)
        self.assertEqual(judged["confusion"][0], [2, 0, 0, 0, 1])
        self.assertAlmostEqual(judged["per_class"]["V"]["ppv"], 0.5)


class Judging(unittest.TestCase):
    def test_average_precision(self):
        self.assertAlmostEqual(
            inter.average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])), (1 + 2 / 3) / 2
        )

    def test_fusion_called_v_is_no_false_positive_and_stays_in_the_accuracy(self):
        called, aami = np.array([0, 1, 2, 2, 2]), np.array([0, 1, 2, 3, 4])
        found = inter.ratios(inter.confusion(called, aami))
        self.assertEqual((found["v_se"], found["v_ppv"], found["accuracy"]), (1.0, 1.0, 0.6))

    def test_limits_keep_every_class(self):
        generator = np.random.Generator(np.random.PCG64(5))
        aami = np.repeat([0, 1, 2, 3, 4], [50_000, 500, 2_000, 300, 100])
        spread = np.array([1.0, 3.0, 2.0, 9.0, 9.0])[aami]
        novelty = spread * generator.exponential(size=len(aami))
        confidence = 1 / (1 + 0.3 * spread * generator.exponential(size=len(aami)))
        limits = reject.limits_of(confidence, novelty, aami)
        lost = (confidence < limits["confidence"]) | (novelty > limits["novelty"])
        for group, share in enumerate(reject.SHARES.values()):
            self.assertLessEqual(lost[aami == group].mean(), share + 1e-3)
        # No looser than they have to be: one of the classes spends its part.
        for name, gone in (("confidence", confidence < limits["confidence"]), ("novelty", novelty > limits["novelty"])):
            shares = [share * reject.PARTS[name] for share in reject.SHARES.values()]
            spent = [
                gone[aami == g].mean() * (aami == g).sum() - share * (aami == g).sum() for g, share in enumerate(shares)
            ]
            self.assertGreater(max(spent), -2)

    def test_biases_are_where_the_rule_puts_them(self):
        generator = np.random.Generator(np.random.PCG64(4))
        aami = generator.integers(0, 3, 30_000)
        logits = generator.normal(size=(30_000, 5)).astype(np.float32)
        logits[np.arange(30_000), np.array([0, 3, 4])[aami]] += 2
        on_a, on_v = bias.biases(logits, aami)
        found = bias.judged(logits, aami, on_a, 0.0)
        self.assertAlmostEqual(found["s_se"], found["s_ppv"], delta=0.02)
        found = bias.judged(logits, aami, on_a, on_v)
        self.assertAlmostEqual(found["v_se"] - found["v_ppv"], bias.AHEAD, delta=0.02)

    def test_a_bias_undoes_what_was_added(self):
        generator = np.random.Generator(np.random.PCG64(3))
        aami = generator.integers(0, 3, 3_000)
        logits = generator.normal(size=(3_000, 5)).astype(np.float32)
        logits[np.arange(3_000), np.array([0, 3, 4])[aami]] += 3
        on_a, on_v = bias.biases(logits, aami)
        self.assertEqual(bias.biases(bias.biased(logits, 1.5, 0.0), aami), (on_a - 1.5, on_v))
