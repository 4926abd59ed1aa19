//! Tells the program which profile it is built with, for `--version`.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let value = |name| std::env::var(name).expect("cargo sets it for build scripts");
    // PROFILE knows debug and release alone. The output folder is PROFILE/build/PACKAGE/out.
    let folder = value("OUT_DIR");
    let named = Path::new(&folder)
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "build"))
        .and_then(|folder| folder.parent()?.file_name()?.to_str());
    let profile = named.map_or_else(|| value("PROFILE"), str::to_owned);
    println!("cargo::rustc-env=ECG_BUILD_PROFILE={profile}");
}
