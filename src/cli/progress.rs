//! Progress bars on long work: on a terminal only, on standard error, gone when the work is done.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar counting `length` units of `what`; invisible where standard error is no terminal.
pub(super) fn bar(length: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {elapsed} (left {eta})")
    {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
