//! The binary: parse the command line, run the command, set the exit code.

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    dialbridge::cli::run(std::env::args_os())
}
