//! Commands that ask the gateway that serves: the real binary, with a token from a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use dialbridge::clock::Clock;
use dialbridge::ledger::Ledger;
use serde_json::{Value, json};

use crate::support::config::tls_file;
use crate::support::sink::Sink;
use crate::support::{TestApp, until};

/// The binary as the operator of a gateway.
pub struct Operator {
    url: String,
    token_file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Operator {
    pub fn new(app: &TestApp) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token_file = directory.path().join("token");
        std::fs::write(&token_file, format!("{:.<24}\n", "operator")).unwrap();
        Self { url: app.admin(), token_file, _directory: directory }
    }

    /// Exit code, stdout, stderr.
    pub async fn run(&self, words: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
        command.args(words.split(' ')).arg("--url").arg(&self.url);
        command.arg("--token-file").arg(&self.token_file);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub async fn ok(&self, words: &str) -> String {
        let (code, out, err) = self.run(words).await;
        assert_eq!(code, 0, "{words}: {err}");
        out
    }

    pub async fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{words} --json")).await).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_and_steer_what_is_passed_on() {
    let app = TestApp::simulators(|_| {}).await;
    let number = app.isales_campaign("autumn").await;
    let app = app.serve().await;
    let operator = Operator::new(&app);
    let sink = Sink::taking();
    let add = format!("destinations add --name crm --account cc --to {}", sink.url("/secret-path"));
    let made = operator.ok(&add).await;
    assert!(made.contains("127.0.0.1") && !made.contains("secret-path"), "{made}");
    let trial = operator.json("destinations test crm").await;
    assert_eq!((&trial["taken"], sink.received().len()), (&json!(true), 1));
    let secret = operator.ok("destinations secret crm").await;
    assert!(secret.starts_with("whsec_") && secret.trim_end().lines().count() == 1, "{secret}");
    assert_eq!(operator.json("destinations rotate crm").await["secret_version"], 2);
    operator.ok("destinations pause crm").await;
    let shown = operator.ok("destinations show crm").await;
    assert!(shown.contains("state              paused"), "{shown}");
    operator.ok("destinations resume crm").await;
    let list = operator.ok("destinations list").await;
    let columns: Vec<&str> = list.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(columns[..4], ["NAME", "SHAPE", "URL", "STATE"]);
    assert!(operator.ok("inbox").await.contains("\ncc "));
    assert_eq!(operator.json("deliveries list --state dead").await["items"], json!([]));
    let dry = operator.json("deliveries redrive --dry-run").await;
    assert_eq!(dry, json!({"dry_run": true, "deliveries": 0}));
    let uuid = app.uuid_of("autumn").await;
    assert!(operator.ok("campaigns list --account cc").await.contains(&uuid));
    let shown = operator.json(&format!("campaigns show {uuid}")).await;
    assert_eq!(shown["campaign_id"], number);
    let pair = format!("campaigns history {}:{number}", crate::support::VDN);
    until(async || operator.json(&pair).await["items"].is_array()).await;
    for (words, code, says) in [
        ("destinations show nobody", 1, "refused (404 Not Found): the destination does not exist"),
        ("deliveries show 7", 1, "refused (404"),
        ("destinations add --name x --to ftp://x", 1, "refused (400 Bad Request): url: "),
        ("destinations rotate crm --overlap-hours 721", 1, "overlap_hours"),
        ("deliveries list --campaign none", 2, "invalid value"),
    ] {
        let (given, out, err) = operator.run(words).await;
        assert_eq!((given, out.as_str()), (code, ""), "{words}: {err}");
        assert!(err.contains(says), "{words}: {err}");
    }
    operator.ok("destinations remove crm").await;
    assert_eq!(operator.json("destinations list").await["items"], json!([]));
    app.finish().await;
}

#[test]
fn keys_are_rotated_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("master.keys");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
        let output = command.arg("keys").args(words).arg("--file").arg(&file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["list"]).1, "\n", "there is none yet");
    assert_eq!(run(&["rotate"]).1, "1      makes what is new\n");
    let first = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, first.trim_end()).unwrap();
    let (code, shown, _) = run(&["rotate", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown), (Some(0), &json!({"versions": [2, 1]})));
    let both = std::fs::read_to_string(&file).unwrap();
    assert!(both.starts_with(first.trim_end()) && both.lines().count() == 2, "the old one stays");
    let keys: Vec<&str> = both.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert!(keys[0] != keys[1] && keys.iter().all(|key| key.len() == 64), "32 bytes, in hex");
    let (_, text, errors) = run(&["list"]);
    assert!(keys.iter().all(|key| !text.contains(key) && !errors.contains(key)));
    std::fs::write(&file, "1 short").unwrap();
    let (code, text, errors) = run(&["rotate"]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(errors.contains("line 1") && !errors.contains("short"), "{errors}");
}

/// A message names the setting, the path or address, and what to do; never a password.
#[tokio::test]
async fn what_cannot_be_opened_is_named_with_its_setting() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("dialbridge.toml");
    let missing = directory.path().join("missing");
    for (url, says) in [
        (
            format!("sqlite:{}/ledger.db", missing.display()),
            format!("the folder {} does not exist", missing.display()),
        ),
        (
            "postgres://someone:hunter2@127.0.0.1:1/calls".to_owned(),
            "opening the ledger 127.0.0.1:1/calls (ledger.url)".to_owned(),
        ),
    ] {
        std::fs::write(&config, format!("ledger.url = \"{url}\"\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
        command.args(["check", "--offline", "--config"]).arg(&config);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&says) && said.contains("ledger.url"), "{said}");
        assert!(!said.contains("busy") && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn check_reads_the_certificates_as_serving_does() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("dialbridge.toml");
    let (own, other) = (tls_file("server.pem"), tls_file("authority.pem"));
    let key = tls_file("server.key.pem");
    let ledger = directory.path().join("ledger.db");
    for (certificate, says, is_well) in [
        (own.clone(), "certificates   ok: 1 of 3 listeners use TLS".to_owned(), true),
        (
            other,
            "listeners.facades: its certificate cannot be used: the certificate and the key do not fit"
                .to_owned(),
            false,
        ),
        (own.with_file_name("missing.pem"), "missing.pem".to_owned(), false),
    ] {
        let text = format!(
            "ledger.url = \"sqlite:{}\"\n[listeners.facades]\ntls_certificate_file = \"{}\"\n\
             tls_key_file = \"{}\"\n",
            ledger.display(),
            certificate.display(),
            key.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
        command.args(["check", "--offline", "--config"]).arg(&config);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // There is no ledger yet, so all is never well; what is said of the certificates is what counts.
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&says), "{said}");
        assert_eq!(said.contains("certificates   ok"), is_well, "{said}");
    }
}

/// Whoever checks may be the superuser, and whoever serves is not: a file of the former keeps the latter out.
#[test]
fn check_makes_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("dialbridge.toml");
    let ledger = directory.path().join("ledger.db");
    std::fs::write(&config, format!("ledger.url = \"sqlite:{}\"\n", ledger.display())).unwrap();
    let names = || {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
        let output =
            command.args(["check", "--offline", "--config"]).arg(&config).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = check();
    assert_eq!((code, names()), (Some(1), vec!["dialbridge.toml".into()]), "{said}");
    assert!(said.contains("serve --migrate"), "{said}");
    Ledger::migrate_sqlite(&ledger, &Clock::real()).unwrap();
    let before = names();
    let (code, said) = check();
    assert_eq!((code, names()), (Some(0), before), "{said}");
}

#[test]
fn restore_says_what_it_did_and_what_is_left_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("dialbridge.toml");
    let (ledger, copy) = (directory.path().join("ledger.db"), directory.path().join("copy.db"));
    std::fs::write(&config, format!("ledger.url = \"sqlite:{}\"\n", ledger.display())).unwrap();
    Ledger::migrate_sqlite(&ledger, &Clock::real()).unwrap();
    std::fs::copy(&ledger, &copy).unwrap();
    let restore = |file: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialbridge"));
        command.arg("restore").arg(file).arg("--config").arg(&config).args(more);
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = restore(&config, &["--replace"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("dialbridge.toml is not a copy of a ledger"), "{said}");
    let (code, said) = restore(&copy, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--replace"), "{said}");
    let (code, said) = restore(&copy, &["--replace"]);
    assert_eq!(code, Some(0), "{said}");
    for told in ["copy.db (epoch ", "newest entry", "ledger.db.replaced-2", "dialbridge erase"] {
        assert!(said.contains(told), "{told}: {said}");
    }
}
