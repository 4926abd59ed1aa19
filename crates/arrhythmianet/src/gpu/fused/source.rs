//! The entry point of the fused kernel: a list of calls with the network's numbers.
//!
//! The functions are in `shaders/fused/`. Numbers written into the calls are constants to the
//! driver's compiler, which inlines the functions, so divisions become shifts and loops have known
//! bounds.

use std::fmt::Write;

use super::plan::THREADS;
use super::stage::{Filter, Finish, Stage};
use crate::gpu::shaders;

/// The whole kernel, with `quads` of workgroup memory.
pub(super) fn kernel(stages: &[Stage], quads: usize) -> String {
    let mut text = shaders::FUSED.to_owned();
    let _ = write!(
        text,
        "\nconst THREADS = {THREADS}u;\nconst QUADS = {quads}u;\n\n\
         @compute @workgroup_size({THREADS})\n\
         fn classify(\n    @builtin(workgroup_id) group: vec3<u32>,\n    \
         @builtin(local_invocation_index) thread: u32,\n) {{\n    let beat = group.x;\n"
    );
    for stage in stages {
        for line in calls(stage) {
            let _ = writeln!(text, "    {line}"); // writing to a string cannot fail
        }
    }
    text.push_str("}\n");
    text
}

const BARRIER: &str = "workgroupBarrier();";

/// The calls of a stage, its barriers included.
fn calls(stage: &Stage) -> Vec<String> {
    let barrier = BARRIER.to_owned();
    match *stage {
        Stage::Load { length, dst } => vec![
            format!("load_input(thread, beat, {length}u, {dst}u);"),
            barrier,
        ],
        Stage::Stem {
            filter,
            in_channels,
            context,
            dst,
        } => {
            let Filter { src, taps, .. } = filter;
            let (inputs, outputs) = (filter.in_length, filter.out_length);
            let (channels, stride) = (filter.out_channels, filter.stride);
            vec![
                format!(
                    "stem(thread, {src}u, {dst}u, {taps}u, {in_channels}u, \
                     {inputs}u, {channels}u, {outputs}u, {stride}u, {context}u);"
                ),
                barrier,
            ]
        }
        Stage::Depthwise { filter, dst } => {
            let Filter { src, taps, .. } = filter;
            let (inputs, outputs) = (filter.in_length, filter.out_length);
            let (channels, stride) = (filter.out_channels, filter.stride);
            vec![
                format!(
                    "depthwise(thread, {src}u, {dst}u, {taps}u, {channels}u, \
                     {inputs}u, {outputs}u, {stride}u);"
                ),
                barrier,
            ]
        }
        Stage::DepthwiseInPlace { filter } => in_place(filter),
        Stage::Pointwise {
            src,
            dst,
            matrix,
            in_channels,
            out_channels,
            length,
            over,
            finish,
        } => {
            let function = if over { "pointwise_over" } else { "pointwise" };
            let groups = out_channels / 4;
            let finish = match finish {
                Finish::Linear => "LINEAR",
                Finish::Relu => "RELU",
                Finish::Add => "ADD",
            };
            vec![
                format!(
                    "{function}(thread, {src}u, {dst}u, {matrix}u, \
                     {in_channels}u, {groups}u, {length}u, {finish});"
                ),
                barrier,
            ]
        }
        // Nothing is written over before the next stage's end, which is past a barrier, or in
        // place, which has one in front.
        Stage::StoreMaps {
            src,
            length,
            offset,
            all,
        } => vec![format!(
            "store_maps(thread, beat * {all}u + {offset}u, {length}u, {src}u);"
        )],
        Stage::PoolDense {
            src,
            scratch,
            matrix,
            channels,
            length,
        } => pool_dense(src, scratch, matrix, channels / 4, length),
    }
}

fn pool_dense(
    src: usize,
    scratch: usize,
    matrix: usize,
    groups: usize,
    length: usize,
) -> Vec<String> {
    let mut lines = vec![
        format!(
            "pool_group(thread, beat, {src}u, {scratch}u, {matrix}u, {groups}u, \
             {length}u);"
        ),
        BARRIER.to_owned(),
    ];
    let mut left = groups;
    while left > 1 {
        let half = left.div_ceil(2);
        lines.push(format!(
            "fold_groups(thread, {scratch}u, {half}u, {left}u);"
        ));
        lines.push(BARRIER.to_owned());
        left = half;
    }
    let bias = matrix + 5 * groups;
    lines.push(format!("store_logits(thread, beat, {scratch}u, {bias}u);"));
    lines
}

/// Rounds of whole rows: all of a round is read before any of it is written, and what a round writes
/// lies where earlier rounds or the same have read.
fn in_place(filter: Filter) -> Vec<String> {
    let Filter {
        src,
        taps,
        out_channels,
        in_length,
        out_length,
        stride,
    } = filter;
    let outputs = out_channels * out_length;
    vec![
        format!("for (var first = 0u; first < {outputs}u; first += THREADS) {{"),
        "    let i = first + thread;".to_owned(),
        "    var quad = vec4<f32>(0.0);".to_owned(),
        format!("    if (i < {outputs}u) {{"),
        format!(
            "        quad = depthwise_quad(i, {src}u, {taps}u, {in_length}u, {out_length}u, \
             {stride}u);"
        ),
        "    }".to_owned(),
        format!("    {BARRIER}"),
        format!("    if (i < {outputs}u) {{"),
        format!("        act[{src}u + i] = quad;"),
        "    }".to_owned(),
        "}".to_owned(),
        BARRIER.to_owned(),
    ]
}
