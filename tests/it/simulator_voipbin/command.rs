//! `dialbridge simulate` as a person runs it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_dialbridge");

/// Ends the process whatever the test does.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn both_platforms_say_where_they_are_and_what_opens_them() {
    for (platform, path, credential) in
        [("voipbin", "/v1.0", "vb_simulated_key_1"), ("isales", "/rest/isales", "AKEXAMPLE000001")]
    {
        let mut command = Command::new(BINARY);
        command.args(["simulate", platform, "--seed", "7", "--time-scale", "60"]);
        let mut child = Ended(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.contains("http://127.0.0.1:") && first.ends_with(path), "{first}");
        let second = lines.next().unwrap().unwrap();
        assert!(second.contains(credential), "{second}");
    }
}

#[test]
fn a_mistake_is_named_and_ends_with_2() {
    for (arguments, named) in [
        (["voipbin", "--faults", "nonsense"], "fault `nonsense`: is unknown"),
        (["voipbin", "--defects", "tail"], "`tail` is unknown; known are head (all)"),
        (["voipbin", "--outcomes", "1=asleep"], "`asleep` is unknown; known are normal"),
        (["voipbin", "--switch", "chains=true"], "expected one of `service_level`"),
        (["isales", "--switch", "push_limit"], "expected name=value"),
        (["isales", "--time-scale", "0"], "expected a number above 0"),
        (["isales", "--profile", "1999"], "possible values: 2024, 2025"),
    ] {
        let output = Command::new(BINARY).arg("simulate").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
