"""One run from its first step to its last, whatever is trained: its folder, checkpoints, log and picture.

The folder holds config.json (settings, and the git revisions it was run from), log.jsonl (one line per segment),
curves.png and checkpoint.pt (renewed after every segment). The same command goes on from the checkpoint.

A task is what differs between kinds of networks:

    done, total     segments or steps so far, and in all
    advance()       trains one segment and returns its row of the log; its random state depends on seed and `done` alone
    state()         what a checkpoint must hold to go on
    restore(state)  goes on from it
    draw(log, path) the picture

Needs no PyTorch unless it is given PyTorch's `save` and `load`.
"""

import json
import os

# Of a configuration: may differ between two parts of a run.
REVISIONS = "revisions"


def say(text):
    print(text, flush=True)


class Trainer:
    def __init__(self, folder, config, revision, save, load, say=say):
        """config: everything the run depends on, as JSON has it. save(content, path), load(path): of checkpoints."""
        self.folder, self.config, self.say = folder, config | {REVISIONS: [revision]}, say
        self.save, self.load = save, load
        self.checkpoint = folder / "checkpoint.pt"

    def run(self, task):
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.resume(task) if self.checkpoint.exists() else []
        self.write("config.json", json.dumps(self.config, indent=1) + "\n")
        while task.done < task.total:
            log.append(task.advance())
            self.say(json.dumps(log[-1]))
            kept = {"done": task.done, "total": task.total, "log": log, "config": self.config}
            temporary = self.checkpoint.with_suffix(".partial")
            self.save(kept | task.state(), temporary)
            os.replace(temporary, self.checkpoint)  # a run that is cut off never leaves half a checkpoint
            self.write("log.jsonl", "".join(json.dumps(row) + "\n" for row in log))
        task.draw(log, self.folder / "curves.png")

    def resume(self, task):
        """Restores the task; returns the log so far."""
        state = self.load(self.checkpoint)
        before, now = dict(state["config"]), dict(self.config)
        revisions, (revision,) = before.pop(REVISIONS), now.pop(REVISIONS)
        if differing := [key for key in before.keys() | now.keys() if before.get(key) != now.get(key)]:
            raise SystemExit(
                f"{self.folder}: was begun with another {', '.join(sorted(differing))}; choose another folder"
            )
        self.config[REVISIONS] = revisions + [revision] * (revision != revisions[-1])
        task.restore(state)
        self.say(f"going on after {task.done} of {task.total}")
        return state["log"]

    def write(self, name, text):
        (self.folder / name).write_text(text)


def is_finished(state):
    return state["done"] >= state["total"]


def result(folder, load):
    """The last checkpoint of a finished run."""
    state = load(folder / "checkpoint.pt")
    if not is_finished(state):
        raise SystemExit(f"{folder}: stopped after {state['done']} of {state['total']}; train on first")
    return state
