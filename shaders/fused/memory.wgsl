// Memory of the fused kernel: a workgroup of THREADS invocations takes one beat through the whole
// network, and every activation between the window and the last feature maps stays in workgroup
// memory, QUADS vec4 of it. The less a beat needs, the more beats a core works on at once.
//
// Activations are [channel][time] with four consecutive samples in a vec4 (a "quad"). Lengths and
// offsets below are in quads. THREADS and QUADS come with the entry point.

struct Request {
    // What the caller wants besides logits: 0 nothing, 1 the means of the last feature maps over
    // time, 2 the maps.
    wanted: u32,
}

@group(0) @binding(0) var<storage, read> windows: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<storage, read_write> maps: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> request: Request;

var<workgroup> act: array<vec4<f32>, QUADS>;

// Copies a beat's input of `length` quads to `dst`: the channels of its window, then its context.
fn load_input(thread: u32, beat: u32, length: u32, dst: u32) {
    for (var i = thread; i < length; i += THREADS) {
        act[dst + i] = windows[beat * length + i];
    }
}

// Copies an activation of `length` quads at `src` to `to` in the feature maps, where they are wanted.
fn store_maps(thread: u32, to: u32, length: u32, src: u32) {
    if (request.wanted == 2u) {
        for (var i = thread; i < length; i += THREADS) {
            maps[to + i] = act[src + i];
        }
    }
}

// Quad `at` of a row that starts at `row`; zeros outside, as the padding of a convolution.
fn padded(row: u32, at: u32, length: u32) -> vec4<f32> {
    if (at < length) {
        return act[row + at];
    }
    return vec4<f32>(0.0);
}
