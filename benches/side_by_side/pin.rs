//! Which core does what. A hop between cores costs more here than the work that is measured, so where the
//! scheduler puts a process must not decide the result.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// A command whose process runs on core 0 alone.
pub fn on_proxy_core(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

/// Cores when the bench began, before it chose one.
static CORES: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));

pub fn cores() -> usize {
    *CORES
}

/// Moves this process, and all that it starts from now on, to core 1 (core 0 where there is only one).
pub fn this_process_on_load_core() {
    move_this_process(if cores() > 1 { "1" } else { "0" });
}

/// Lets this process, and all that it starts from now on, run wherever there is room.
pub fn this_process_on_all_cores() {
    move_this_process(&format!("0-{}", cores() - 1));
}

fn move_this_process(core: &str) {
    let moved = Command::new("taskset")
        .args(["-a", "-c", "-p", core, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status();
    assert!(moved.is_ok_and(|status| status.success()), "taskset (package util-linux) failed");
}
