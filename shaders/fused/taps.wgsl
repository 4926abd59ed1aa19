// Seven-tap filters centred on each output sample. Taps 0 to 3 are in `a`, 4 to 6 in `b.xyz`;
// shorter kernels are filled up with zeros on both sides.

// Four outputs of a row at stride 1.
fn filter_every(row: u32, length: u32, quad: u32, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    // For quad 0 the index before wraps around and is outside.
    let p = padded(row, quad - 1u, length);
    let c = act[row + quad];
    let n = padded(row, quad + 1u, length);
    return a.x * vec4<f32>(p.yzw, c.x)
        + a.y * vec4<f32>(p.zw, c.xy)
        + a.z * vec4<f32>(p.w, c.xyz)
        + a.w * c
        + b.x * vec4<f32>(c.yzw, n.x)
        + b.y * vec4<f32>(c.zw, n.xy)
        + b.z * vec4<f32>(c.w, n.xyz);
}

// Four outputs of a row at stride 2.
fn filter_second(row: u32, length: u32, quad: u32, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let p = padded(row, 2u * quad - 1u, length);
    let c = act[row + 2u * quad];
    let d = padded(row, 2u * quad + 1u, length);
    let n = padded(row, 2u * quad + 2u, length);
    return a.x * vec4<f32>(p.yw, c.yw)
        + a.y * vec4<f32>(p.z, c.xz, d.x)
        + a.z * vec4<f32>(p.w, c.yw, d.y)
        + a.w * vec4<f32>(c.xz, d.xz)
        + b.x * vec4<f32>(c.yw, d.yw)
        + b.y * vec4<f32>(c.z, d.xz, n.x)
        + b.z * vec4<f32>(c.w, d.yw, n.y);
}

fn filter_quad(
    row: u32, length: u32, quad: u32, stride: u32, a: vec4<f32>, b: vec4<f32>
) -> vec4<f32> {
    if (stride == 1u) {
        return filter_every(row, length, quad, a, b);
    }
    return filter_second(row, length, quad, a, b);
}
