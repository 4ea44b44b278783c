//! What is refused is told in the log: who was refused and why, once a minute, and nothing that was sent.

use super::Gateway;
use crate::support::TestApp;

/// 64 digits, as a signature has.
const DIGITS: &str = "5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7";

/// A request, and what becomes of it.
struct Attempt {
    port: u16,
    method: &'static str,
    path: &'static str,
    header: (&'static str, String),
    body: &'static str,
    status: u16,
    reason: &'static str,
}

fn attempts(gateway: &Gateway<'_>) -> Vec<Attempt> {
    let (facades, callbacks, admin) = (gateway.facades, gateway.callbacks, gateway.admin);
    let nothing = ("accept", String::new());
    let signed = format!("auth-v2/AKguessed/2026-01-01T00:00:00Z/host/{DIGITS}");
    let bearer = ("authorization", "Bearer a-guessed-operator".to_owned());
    let signature = ("x-voipbin-signature", "a-guessed-signature".to_owned());
    let login = r#"{"username": "guessed@example.com", "password": "a guessed password"}"#;
    let cc = "/rest/isales/v1/openapi/campaigns/11";
    let address = "/callbacks/isales/cc/guessed-token";
    [
        (
            (facades, "GET", "/v1.0/campaigns?accesskey=vb_guessed"),
            &nothing,
            "",
            401,
            "unknown-access-key",
        ),
        ((facades, "GET", "/v1.0/campaigns?token=guessed"), &nothing, "", 401, "unknown-session"),
        ((facades, "GET", cc), &("authorization", signed), "", 401, "unknown-signer"),
        ((facades, "POST", "/auth/login"), &nothing, login, 400, "wrong-login"),
        ((callbacks, "POST", address), &nothing, "[]", 401, "wrong-address"),
        (
            (callbacks, "POST", "/callbacks/voipbin/vb"),
            &signature,
            "+8613100000001",
            401,
            "not-genuine",
        ),
        ((admin, "GET", "/api/v1/jobs"), &bearer, "", 401, "unknown-token"),
    ]
    .map(|((port, method, path), header, body, status, reason)| Attempt {
        port,
        method,
        path,
        header: header.clone(),
        body,
        status,
        reason,
    })
    .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_logged_by_reason_and_without_what_was_sent() {
    let app = TestApp::simulators(|_| {}).await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.edit(|text| text.replace("virtual_vdn", "webhook_secret = \"its own\"\nvirtual_vdn"));
    gateway.start().await;
    for Attempt { port, method, path, header, body, status, reason } in attempts(&gateway) {
        let url = format!("http://127.0.0.1:{port}{path}");
        for _ in 0..3 {
            let headers = std::slice::from_ref(&header);
            let reply = app.send(method, &url, headers, Some(body.to_owned())).await;
            assert_eq!(reply.status, status, "{path}: {}", reply.text);
        }
        let log = gateway.log();
        let told: Vec<&str> = log.lines().filter(|line| line.contains(reason)).collect();
        assert_eq!(told.len(), 1, "{reason}: {log}");
        assert!(told[0].contains("WARN") && told[0].contains("127.0.0.1"), "{}", told[0]);
    }
    let log = gateway.log();
    for sent in ["guessed", DIGITS, "13100000001"] {
        assert!(!log.contains(sent), "{sent}: {log}");
    }
    gateway.kill();
    drop(gateway);
    app.finish().await;
}
