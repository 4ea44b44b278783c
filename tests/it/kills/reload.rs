//! SIGHUP: secrets and settings change while the service goes on.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::Gateway;
use crate::support::{Caller, MASTER_KEY, TestApp, until};

const NEW_KEY: &str = "2 99999999999999999999999999999999";

impl Gateway<'_> {
    pub fn edit(&self, edit: impl FnOnce(String) -> String) {
        let config = self.directory.path().join("dialbridge.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, edit(text)).unwrap();
    }

    /// Has it read its configuration, and waits until it says how that went.
    async fn hang_up(&self, says: &str) {
        let times = self.log().matches(says).count();
        let process = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-HUP", &process]).status().unwrap().success());
        until(async || self.log().matches(says).count() > times).await;
    }

    /// What a key of the facade is answered.
    async fn status(&self, key: &str) -> u16 {
        let url = format!("http://127.0.0.1:{}/v1.0/campaigns?accesskey={key}", self.facades);
        let mut status = 0;
        // A connection that was idle may be closed just now.
        until(async || {
            let reply = self.app.try_send("GET", &url, &[], None).await;
            status = reply.map_or(0, |reply| reply.status);
            status != 0
        })
        .await;
        status
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_configuration_is_served_without_an_interruption() {
    let app = TestApp::simulators(|_| {}).await;
    let campaign = app.isales_campaign("pushed").await;
    let mut gateway = Gateway::new(&app, "cc");
    gateway.start().await;
    let pusher = gateway.pusher(campaign);
    let mut answered = pusher.push_some("before", 5).await;
    let (old, new) = (Caller::Both.key(), "vb_key_that_is_new");
    assert_eq!((gateway.status(old).await, gateway.status(new).await), (200, 401));

    let served = "the configuration was read again";
    let both = format!("\"\"\"{NEW_KEY}\n{MASTER_KEY}\"\"\"");
    gateway.edit(|text| text.replace(old, new).replace(&format!("\"{MASTER_KEY}\""), &both));
    let reload = gateway.hang_up(served);
    let (told, ()) = tokio::join!(pusher.push_some("meanwhile", 20), reload);
    answered.extend(told);
    until(async || gateway.status(new).await == 200 && gateway.status(old).await == 401).await;
    // The old address holds as long as its key stands.
    answered.extend(pusher.push_some("after", 5).await);

    // What cannot be served changes nothing.
    let stays = "the configuration stays as it was";
    let other_key = NEW_KEY.replace('9', "8").replacen('2', "1", 1);
    for (good, bad) in [
        // Another key under a known version would make every token and secret of it wrong.
        (MASTER_KEY, &*other_key),
        ("time_zone = \"UTC\"", "time_zone = \"Mars\""),
        ("address = \"127.0.0.1:0\"", "address = \"127.0.0.1:1\""),
        ("ledger.db", "other.db"),
    ] {
        gateway.edit(|text| text.replacen(good, bad, 1));
        gateway.hang_up(stays).await;
        gateway.edit(|text| text.replacen(bad, good, 1));
    }
    until(async || gateway.status(new).await == 200).await;
    // Without its key the old address is nobody's.
    gateway.edit(|text| text.replace(&both, &format!("\"{NEW_KEY}\"")));
    gateway.hang_up(served).await;
    // A connection that is open already is served as before for a while.
    until(async || {
        let push = app.try_send("POST", &pusher.url, &[], Some(json!([]).to_string())).await;
        push.is_some_and(|push| push.status == 401)
    })
    .await;
    until(async || gateway.kept(campaign).await.len() == answered.len()).await;
    let mut kept = gateway.kept(campaign).await;
    kept.sort();
    answered.sort();
    assert_eq!(kept, answered);
    let log = gateway.log();
    assert!(log.contains("version 1 of the master key is another key"), "{log}");
    for secret in [new, "99999999999999999999999999999999", "88888888888888888888888888888888"] {
        assert!(!log.contains(secret), "{log}");
    }
    gateway.kill();
    drop(gateway);
    app.finish().await;
}

impl Gateway<'_> {
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.facades)
    }

    /// The token of a new session.
    async fn log_in(&self, password: &str) -> String {
        let body = json!({"username": "both@example.com", "password": password}).to_string();
        let (url, mut token) = (self.url("/auth/login"), None);
        // A connection that was idle may be closed just now, and one that is open is served as before.
        until(async || {
            let reply = self.app.try_send("POST", &url, &[], Some(body.clone()));
            let reply = reply.await.filter(|reply| reply.status == 200);
            token = reply.map(|reply| reply.json()["token"].as_str().unwrap().to_owned());
            token.is_some()
        })
        .await;
        token.unwrap()
    }

    async fn session_is(&self, token: &str, status: u16) {
        let url = self.url(&format!("/v1.0/me?token={token}"));
        until(async || {
            let reply = self.app.try_send("GET", &url, &[], None).await;
            reply.is_some_and(|reply| reply.status == status)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_end_for_good_with_the_password_that_opened_them() {
    let app = TestApp::simulators(|_| {}).await;
    let mut gateway = Gateway::new(&app, "cc");
    let login = |password: &str| {
        format!("[clients.voipbin]\nusername = \"both@example.com\"\npassword = \"{password}\"")
    };
    gateway.edit(|text| text.replace("[clients.voipbin]", &login("the first")));
    gateway.start().await;
    let first = gateway.log_in("the first").await;
    let served = "the configuration was read again";
    // What changes something else ends no session.
    gateway.edit(|text| text.replace("requests_per_second = 500", "requests_per_second = 400"));
    gateway.hang_up(served).await;
    gateway.session_is(&first, 200).await;

    gateway.edit(|text| text.replace("the first", "the second"));
    gateway.hang_up(served).await;
    gateway.session_is(&first, 401).await;
    let second = gateway.log_in("the second").await;
    // The old password comes back, and its sessions do not.
    gateway.edit(|text| text.replace("the second", "the first"));
    gateway.hang_up(served).await;
    gateway.session_is(&second, 401).await;
    let third = gateway.log_in("the first").await;
    gateway.session_is(&third, 200).await;
    gateway.session_is(&first, 401).await;

    gateway.edit(|text| text.replace(&login("the first"), "[clients.voipbin]"));
    gateway.hang_up(served).await;
    gateway.session_is(&third, 401).await;
    gateway.edit(|text| text.replace("[clients.voipbin]", &login("the first")));
    gateway.hang_up(served).await;
    gateway.log_in("the first").await;
    gateway.session_is(&third, 401).await;
    for password in ["the first", "the second"] {
        assert!(!gateway.log().contains(password));
    }
    gateway.kill();
    drop(gateway);
    app.finish().await;
}
