"""The configuration of a released model: a TOML file with the runs that lead to it, the released one last.

    [[run]]
    name = "v1"                                    # of the run's folder
    network = "v1"                                 # v1, v2, v1-context or v2-context
    protocol = "intra"                             # intra; for context networks also inter (DS1) and all (44 records)
    seed = 1
    start = "evaluation/v1-dense.safetensors"      # weights below models/, or the name of an earlier run
    teachers = ["evaluation/v1-dense.safetensors"] # likewise
    [run.settings]                                 # changes to WaveformSettings or ContextSettings (settings.py)
    epochs = 14
    mix = { noise = 0.9 }                          # changes to Mix or ContextMix

Needs no PyTorch.
"""

import re
import subprocess
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from .layout import LAYERS
from .settings import ContextMix, ContextSettings, Mix, WaveformSettings

MODELS = Path(__file__).resolve().parents[2]
PROTOCOLS = ("intra", "inter", "all")
CONTEXT = "-context"
KEYS = ("name", "network", "protocol", "seed", "start", "teachers", "settings")


class ConfigurationError(SystemExit):
    """What is wrong with a file, with its name and the run's."""


@dataclass(frozen=True)
class Run:
    name: str
    network: str
    protocol: str
    seed: int
    start: str | None
    teachers: tuple
    settings: WaveformSettings | ContextSettings

    @property
    def architecture(self):
        return self.network.removesuffix(CONTEXT)

    @property
    def has_context(self):
        return self.network.endswith(CONTEXT)


def read(path, changes=()):
    """The runs of a file in order; `changes` are `KEY=VALUE` in TOML's notation, to the settings of all of them."""
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text())
        changed = tomllib.loads("\n".join(changes))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if tables.keys() != {"run"}:
        raise ConfigurationError(f"{path}: [[run]] tables and nothing else expected, found {sorted(tables)}")
    runs = []
    for table in tables["run"]:
        table = table | {"settings": table.get("settings", {}) | changed}
        runs.append(run_of(table, [run.name for run in runs], f"{path}: run {table.get('name', len(runs) + 1)}"))
    return runs


def run_of(table, earlier, place):
    """The checked run of one table."""

    def wrong(what):
        raise ConfigurationError(f"{place}: {what}")

    if unknown := table.keys() - set(KEYS):
        wrong(f"unknown keys {sorted(unknown)}")
    if missing := {"name", "network"} - table.keys():
        wrong(f"no {' and no '.join(sorted(missing))}")
    network, protocol = table["network"], table.get("protocol", "intra")
    has_context = network.endswith(CONTEXT)
    if network.removesuffix(CONTEXT) not in LAYERS:
        wrong(f"network {network!r} is none of {sorted(LAYERS)} or these with {CONTEXT}")
    if protocol not in (PROTOCOLS if has_context else PROTOCOLS[:1]):
        wrong(f"protocol {protocol!r} is none that {network} is trained by")
    if table["name"] in earlier:
        wrong("another run has this name")
    start, teachers = table.get("start"), tuple(table.get("teachers", ()))
    for source in (*teachers, *([start] if start else [])):
        if source not in earlier and not is_weights(source):
            wrong(f"{source!r} is neither an earlier run nor the name of a weights file")
    kind, mix = (ContextSettings, ContextMix) if has_context else (WaveformSettings, Mix)
    settings = chosen(kind, table["settings"], wrong)
    chosen(mix, settings.mix, wrong)
    if not has_context:
        if settings.density and len(settings.density) not in (2, 3):
            wrong(f"density has {len(settings.density)} shares; two (there, back) or three (of pairs) expected")
        if settings.weights and len(settings.weights) != 2:
            wrong(f"weights has {len(settings.weights)} shares; two (there, back) expected")
    return Run(table["name"], network, protocol, table.get("seed", 0), start, teachers, settings)


def chosen(kind, values, wrong):
    """A dataclass with the given values."""
    if unknown := values.keys() - {field.name for field in fields(kind)}:
        wrong(f"{kind.__name__} has no {sorted(unknown)}")
    return kind(**values)


def is_weights(source):
    return source.endswith(".safetensors")


def revision():
    """The commit this is run from, with a plus sign where files differ from it; `unknown` outside of git."""

    def git(*words):
        return subprocess.run(
            ["git", *words], cwd=MODELS, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def is_revision(text):
    return text == "unknown" or re.fullmatch(r"[0-9a-f]{40}\+?", text) is not None
