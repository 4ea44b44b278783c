//! Programs that log in instead of holding an access key.

use dialbridge::config::{Config, LedgerConfig, Login};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{Caller, Reply, TestApp};

const PASSWORD: &str = "the password of both";

pub fn logins(config: &mut Config) {
    for (client, name) in [(0, "both@example.com"), (2, "reader@example.com")] {
        let password = SecretString::from(PASSWORD);
        let login = Login { username: name.to_owned(), password };
        config.clients[client].voipbin.as_mut().unwrap().login = Some(login);
    }
}

async fn log_in_from(app: &TestApp, address: &str, username: &str, password: &str) -> Reply {
    let url = format!("{}/auth/login", app.facades());
    let body = json!({"username": username, "password": password});
    let headers = [("x-forwarded-for", format!("10.0.0.1, {address}"))];
    app.send("POST", &url, &headers, Some(body.to_string())).await
}

async fn log_in(app: &TestApp, username: &str, password: &str) -> Reply {
    log_in_from(app, "192.0.2.1", username, password).await
}

pub async fn token(app: &TestApp) -> String {
    let reply = log_in(app, "both@example.com", PASSWORD).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_opens_what_a_key_opens() {
    let app = TestApp::simulators(logins).await.serve().await;
    let reply = log_in(&app, "both@example.com", PASSWORD).await;
    let session = reply.json();
    assert_eq!(session["username"], "both@example.com");
    assert_eq!(session.as_object().unwrap().len(), 2);
    let token = session["token"].as_str().unwrap();
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert_eq!(
        cookie,
        format!("token={token}; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=604800")
    );
    let me = format!("{}/v1.0/me", app.facades());
    let query = format!("{me}?token={token}");
    for (url, headers) in [
        (&me, vec![("cookie", format!("token={token}"))]),
        (&query, vec![]),
        (&me, vec![("authorization", format!("Bearer {token}"))]),
    ] {
        // Asked twice: from the ledger, and from memory.
        for _ in 0..2 {
            let reply = app.send("GET", url, &headers, None).await;
            assert_eq!((reply.status, &reply.json()["name"]), (200, &json!("both")));
        }
    }
    // Every login is a session of its own.
    assert_ne!(self::token(&app).await, token);
    app.finish().await;
}

#[tokio::test]
async fn the_first_credential_decides_and_none_is_passed_over() {
    let app = TestApp::simulators(logins).await.serve().await;
    let good = token(&app).await;
    let bad = "0".repeat(good.len());
    let key = Caller::Seed.key();
    let cookie = |name: &str, value: &str| ("cookie", format!("{name}={value}"));
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let unknown = (401, None);
    let both = (200, Some("both"));
    let seed = (200, Some("seed"));
    for (query, headers, expected) in [
        (format!("?accesskey={key}"), vec![cookie("token", &good)], both),
        (format!("?token={good}"), vec![cookie("token", &bad)], unknown),
        (format!("?token={good}&accesskey={key}"), vec![bearer(&bad)], both),
        (format!("?accesskey={key}"), vec![bearer(&good)], both),
        (format!("?accesskey={key}"), vec![bearer(&bad)], unknown),
        (format!("?token={bad}&accesskey={key}"), vec![], unknown),
        ("?token=x".to_owned(), vec![bearer(&good)], unknown),
        // What is empty is not there.
        (format!("?token=&accesskey={key}"), vec![bearer("")], seed),
        (format!("?accesskey={key}"), vec![cookie("accesskey", "vb_nobody")], unknown),
        (String::new(), vec![("authorization", format!("Basic {good}"))], unknown),
        // A token is no access key, and a key no token.
        (format!("?accesskey={good}"), vec![], unknown),
        (format!("?token={key}"), vec![], unknown),
    ] {
        let url = format!("{}/v1.0/me{query}", app.facades());
        let reply = app.send("GET", &url, &headers, None).await;
        let name = (reply.status == 200).then(|| reply.json()["name"].clone());
        let name = name.as_ref().and_then(Value::as_str);
        assert_eq!((reply.status, name), expected, "{query} {headers:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_login_that_fails_is_a_bare_400() {
    let app = TestApp::simulators(logins).await.serve().await;
    let url = format!("{}/auth/login", app.facades());
    let long = json!({"username": "both@example.com", "password": "x".repeat(5000)}).to_string();
    for body in [
        "",
        "{",
        "[]",
        r#"{"username":"both@example.com"}"#,
        r#"{"username":"both@example.com","password":7}"#,
        r#"{"username":"both@example.com","password":""}"#,
        r#"{"username":"Both@example.com","password":"the password of both"}"#,
        r#"{"username":"seed","password":"vb_key_of_seed"}"#,
        &long,
    ] {
        let reply = app.send("POST", &url, &[], Some(body.to_owned())).await;
        assert_eq!((reply.status, reply.text.as_str()), (400, ""), "{body}");
        assert!(!reply.headers.contains_key("set-cookie"));
    }
    assert_eq!(app.send("GET", &url, &[], None).await.status, 404);
    app.finish().await;
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let app = TestApp::simulators(|config| {
        logins(config);
        config.listeners.facades.trusted_proxies = vec!["127.0.0.1".to_owned()];
    });
    let app = app.await.serve().await;
    for _ in 0..10 {
        assert_eq!(log_in(&app, "both@example.com", "guess").await.status, 400);
    }
    let reply = log_in(&app, "both@example.com", PASSWORD).await;
    assert_eq!((reply.status, reply.reason().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(reply.json()["error"]["details"][0]["limited_by"], "ip");
    let wait: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    // Others may, and sessions go on.
    let reply = log_in_from(&app, "192.0.2.2", "reader@example.com", PASSWORD).await;
    assert_eq!(reply.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn a_token_is_kept_nowhere() {
    let mut ledger = None;
    let app = TestApp::simulators(|config| {
        logins(config);
        let LedgerConfig::Sqlite { path } = &config.ledger else { panic!("SQLite by default") };
        ledger = Some(path.clone());
    });
    let app = app.await.serve().await;
    let token = token(&app).await;
    for entry in std::fs::read_dir(ledger.unwrap().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    app.finish().await;
}

async fn me(app: &TestApp, token: &str) -> u16 {
    let url = format!("{}/v1.0/me?token={token}", app.facades());
    app.send("GET", &url, &[], None).await.status
}

#[tokio::test]
async fn a_session_ends_when_its_client_logs_out() {
    let app = TestApp::simulators(logins).await.serve().await;
    let (ended, other) = (token(&app).await, token(&app).await);
    assert_eq!((me(&app, &ended).await, me(&app, &other).await), (200, 200));
    let url = format!("{}/auth/logout", app.facades());
    let headers = [("cookie", format!("token={ended}"))];
    let reply = app.send("POST", &url, &headers, None).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "{}"));
    assert!(reply.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!((me(&app, &ended).await, me(&app, &other).await), (401, 200));
    let reply = app.send("POST", &url, &headers, None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (401, "INVALID_CREDENTIALS"));
    app.finish().await;
}

#[tokio::test]
async fn another_password_ends_sessions_for_good() {
    let app = TestApp::simulators(logins).await.serve().await;
    let token = token(&app).await;
    let app = app.stopped().await.serve().await;
    assert_eq!(me(&app, &token).await, 200, "the same login goes on");
    let app = app.stopped().await.reconfigured(|config| {
        let voipbin = config.clients[0].voipbin.as_mut().unwrap();
        voipbin.login.as_mut().unwrap().password = SecretString::from("another password");
    });
    let app = app.serve().await;
    assert_eq!(me(&app, &token).await, 401);
    let app = app.stopped().await.reconfigured(logins).serve().await;
    assert_eq!(me(&app, &token).await, 401, "also when the password comes back");
    app.finish().await;
}

#[tokio::test]
async fn a_user_who_is_guessed_at_from_everywhere_is_protected_and_not_locked_out() {
    let app = TestApp::simulators(|config| {
        logins(config);
        config.listeners.facades.trusted_proxies = vec!["127.0.0.1".to_owned()];
    });
    let app = app.await.serve().await;
    assert_eq!(log_in(&app, "both@example.com", PASSWORD).await.status, 200);
    for guess in 0..20 {
        let from = format!("198.51.100.{guess}");
        for name in ["both@example.com", "nobody@example.com"] {
            assert_eq!(log_in_from(&app, &from, name, "guess").await.status, 400);
        }
    }
    // Whether there is such a user is not told.
    for name in ["both@example.com", "nobody@example.com"] {
        let reply = log_in_from(&app, "203.0.113.1", name, PASSWORD).await;
        assert_eq!((reply.status, reply.reason().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
        assert_eq!(reply.json()["error"]["details"][0]["limited_by"], "customer");
    }
    // Who logged in from there before may.
    assert_eq!(log_in(&app, "both@example.com", PASSWORD).await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn a_session_goes_on_where_others_guess_at_tokens() {
    let app = TestApp::simulators(|config| {
        logins(config);
        config.listeners.facades.limits.refusals_per_peer = 10;
    });
    let app = app.await.serve().await;
    let token = token(&app).await;
    assert_eq!(me(&app, &token).await, 200);
    let guess = "0".repeat(token.len());
    for _ in 0..10 {
        assert_eq!(me(&app, &guess).await, 401);
    }
    for _ in 0..3 {
        assert_eq!(me(&app, &guess).await, 429);
        assert_eq!(me(&app, &token).await, 200);
    }
    app.finish().await;
}
