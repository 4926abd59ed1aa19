# What people run most. `just` alone lists it; every recipe is a command that also works without just.

default:
    @just --list

# The main job on recorded ECG
demo:
    cargo run --release -- demo

# All tests of all crates
test *ARGS:
    cargo test {{ARGS}}

# The same with cargo-nextest, where it is installed
nextest *ARGS:
    cargo nextest run {{ARGS}}

# Lints and layout
lint:
    cargo fmt --all --check
    cargo clippy --all-targets --features gpu,systemd -- -D warnings

# Documentation of the crates, links of the documents
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features gpu,systemd
    .ci/documents

# A change of what is shipped has an entry
changelog:
    .ci/changelog

# No file uses a file that uses it
cycles:
    .ci/import-cycles

# Each library crate alone
crates:
    .ci/crates

# The public interface of each library is as listed
public-api *ARGS:
    .ci/public-api {{ARGS}}

# The kernels' tests under valgrind
valgrind *FILTERS:
    .ci/valgrind {{FILTERS}}

# The page, in a real browser
web *ARGS:
    .ci/web {{ARGS}}

# Every fuzz target for some seconds
fuzz SECONDS="5" *TARGETS:
    .ci/fuzz {{SECONDS}} {{TARGETS}}

# The Debian package: amd64, arm64 or armhf
package ARCH="amd64":
    scripts/package {{ARCH}}

# The figures come out again
evaluate *ARGS:
    .ci/evaluate {{ARGS}}

# The training package: ruff, and the tests that need no PyTorch
training:
    models/training/check

# Lines of code per crate
lines:
    scripts/code-lines

# Everything that must hold before a change lands
ci:
    .ci/run

# What takes too long for every change
full *STEPS:
    .ci/full {{STEPS}}
