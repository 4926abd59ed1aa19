"""What finished runs left in their folders."""

from functools import partial
from pathlib import Path

import torch

from . import trainer
from .architectures import Network
from .configuration import CONTEXT
from .layout import LAYERS, WAVEFORM_ONLY, WITH_CONTEXT

load = partial(torch.load, map_location="cpu", weights_only=True)


def result_of(folder):
    """(trained network, config, log) of a finished run."""
    state = trainer.result(Path(folder), load)
    name = state["config"]["network"]
    channels, values = WITH_CONTEXT if name.endswith(CONTEXT) else WAVEFORM_ONLY
    network = Network(LAYERS[name.removesuffix(CONTEXT)], channels, context=values)
    network.load_state_dict(state["averaged"])
    return network.eval(), state["config"], state["log"]
