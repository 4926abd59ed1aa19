"""The libraries compiled into the program, as cargo tells them."""

import json
import subprocess


def linked(target, features):
    """The program's package, the packages below it that are neither tools of the build nor of the tests, by name,
    and which of them each one uses (ids)."""
    options = ["--locked", "--features", features]
    command = ["cargo", "metadata", "--format-version=1", "--filter-platform", target]
    metadata = json.loads(subprocess.check_output([*command, *options]))
    # `cargo metadata` also has what only the tests' features ask for.
    command = ["cargo", "tree", "--package", "ecg-gateway", "--edges", "normal,no-proc-macro", "--prefix", "none"]
    command += ["--target", target]
    lines = subprocess.check_output([*command, *options], text=True).splitlines()
    compiled = {(words[0], words[1].removeprefix("v")) for words in map(str.split, lines)}

    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {
        package["id"]: package
        for package in metadata["packages"]
        if (package["name"], package["version"]) in compiled
    }
    root = metadata["resolve"]["root"]
    uses, waiting = {}, [root]
    while waiting:
        here = waiting.pop()
        if here in uses:
            continue
        uses[here] = [
            dependency["pkg"]
            for dependency in nodes[here]["deps"]
            if dependency["pkg"] in packages and any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
        waiting.extend(uses[here])
    found = [packages[key] for key in set(uses) - {root}]
    found.sort(key=lambda package: (package["name"], package["version"]))
    return packages[root], found, uses
