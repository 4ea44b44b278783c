//! Which core does what. A hop between cores costs more here than the work that is measured, so where the
//! scheduler puts a process must not decide the result.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// A command whose process runs on core 0 alone.
pub fn on_proxy_core(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

/// Moves this process, and all that it starts from now on, to core 1 (core 0 where there is only one).
pub fn this_process_on_load_core() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let core = if cores > 1 { "1" } else { "0" };
    let moved = Command::new("taskset")
        .args(["-a", "-c", "-p", core, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status();
    assert!(moved.is_ok_and(|status| status.success()), "taskset (package util-linux) failed");
}
