//! What is checked before a body is read, on every listener, over plain sockets: nobody who has proved
//! nothing keeps others out.

use std::net::SocketAddr;
use std::time::Duration;

use dialbridge::config::{Config, PlatformSettings, TlsFiles};
use dialbridge::signing::webhook;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::config::tls_file;
use crate::support::{Caller, TestApp, until};

const SECRET: &str = "whsec of the first customer";
const TOO_LONG: u64 = 1 << 40;

fn configured(config: &mut Config) {
    let PlatformSettings::Voipbin { webhook_secret, .. } = &mut config.accounts[0].platform else {
        panic!("the first account is VoIPBin's")
    };
    *webhook_secret = Some(SecretString::from(SECRET));
}

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(address(url)).await.unwrap()
}

/// Sends a head and so much of a body, and nothing more.
async fn begin(url: &str, head: &str, body: &str) -> TcpStream {
    let mut stream = connect(url).await;
    let request = format!("{head}\r\nhost: gateway\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The status of the answer on a connection that sends no more; 0 when it is closed without one.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return 0,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
        }
    }
    std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap()
}

fn query_key() -> String {
    format!("accesskey={}", Caller::Both.key())
}

/// A genuine push on a connection of its own.
async fn push(app: &TestApp) -> u16 {
    let body =
        r#"{"type":"campaign_updated","data":{"id":"11111111-1111-4111-8111-111111111111"}}"#;
    let signature = webhook::sign(&SecretString::from(SECRET), body.as_bytes());
    let head = format!(
        "POST /callbacks/voipbin/vb HTTP/1.1\r\nx-voipbin-signature: {signature}\r\n\
         content-length: {}",
        body.len()
    );
    status(&mut begin(&app.callbacks(), &head, body).await).await
}

async fn metric(app: &TestApp, name: &str) -> u64 {
    let text = app.send("GET", &format!("{}/metrics", app.admin()), &[], None).await.text;
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name} is not in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn is_ready(app: &TestApp) -> bool {
    app.send("GET", &format!("{}/readyz", app.admin()), &[], None).await.status == 200
}

#[tokio::test]
async fn a_body_without_credential_is_refused_before_it_comes() {
    let app = TestApp::simulators(configured).await.serve().await;
    let (facades, callbacks, admin) = (app.facades(), app.callbacks(), app.admin());
    let signed = "authorization: auth-v2/AKNOBODY/2026-01-01T00:00:00Z/host/";
    let digits = "0".repeat(64);
    for (url, head, expected, reason) in [
        (&facades, "POST /v1.0/campaigns".to_owned(), 401, "no-credential"),
        (
            &facades,
            "POST /v1.0/campaigns?accesskey=vb_nobody".to_owned(),
            401,
            "unknown-access-key",
        ),
        (&facades, format!("POST /v1.0/campaigns?token={digits}"), 401, "unknown-session"),
        (&facades, "POST /rest/isales/v2/openapi/campaigns/11".to_owned(), 401, "no-credential"),
        (&callbacks, "POST /callbacks/voipbin/vb".to_owned(), 401, "no-proof"),
        (&callbacks, "POST /callbacks/voipbin/nobody".to_owned(), 404, "unknown-account"),
        (&callbacks, "POST /callbacks/voipbin/vb/token".to_owned(), 401, "wrong-address"),
        (&callbacks, "POST /callbacks/isales/cc/token".to_owned(), 401, "wrong-address"),
        (&admin, "POST /api/v1/adopt".to_owned(), 401, "no-credential"),
    ] {
        let head = format!("{head} HTTP/1.1\r\ncontent-length: 70000");
        assert_eq!(status(&mut begin(url, &head, "x").await).await, expected, "{head}");
        let listener = [(&facades, "facades"), (&callbacks, "callbacks"), (&admin, "admin")];
        let listener = listener.iter().find(|(other, _)| *other == url).unwrap().1;
        let name =
            format!("dialbridge_refused_total{{listener=\"{listener}\",reason=\"{reason}\"}}");
        assert!(metric(&app, &name).await >= 1, "{head}");
    }
    let target = "POST /rest/isales/v2/openapi/campaigns/11 HTTP/1.1\r\ncontent-length: 60000";
    for (head, reason) in [
        (format!("{target}\r\n{signed}{digits}"), "unknown-signer"),
        (format!("{target}\r\n{signed}").replace("NOBODY", "BOTH") + &digits, "outside-window"),
        (format!("{target}\r\nauthorization: nonsense"), "malformed-signature"),
    ] {
        assert_eq!(status(&mut begin(&facades, &head, "x").await).await, 401, "{head}");
        let name = format!("dialbridge_refused_total{{listener=\"facades\",reason=\"{reason}\"}}");
        assert_eq!(metric(&app, &name).await, 1, "{head}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_announced_length_or_where_it_passes_it() {
    let app = TestApp::simulators(configured).await.serve().await;
    let (facades, callbacks, admin) = (app.facades(), app.callbacks(), app.admin());
    let key = query_key();
    let token = "authorization: Bearer operator................";
    let signed = "POST /callbacks/voipbin/vb HTTP/1.1\r\nx-voipbin-signature: x".to_owned();
    for (url, head, expected) in [
        (&facades, format!("POST /v1.0/campaigns?{key} HTTP/1.1"), 400),
        (&callbacks, signed, 413),
        (&admin, format!("POST /api/v1/adopt HTTP/1.1\r\n{token}"), 413),
    ] {
        let announced = format!("{head}\r\ncontent-length: {TOO_LONG}");
        assert_eq!(status(&mut begin(url, &announced, "").await).await, expected, "{head}");
        let chunked = format!("{head}\r\ntransfer-encoding: chunked");
        let chunk = format!("{:x}\r\n{}\r\n", 70 * 1024, "x".repeat(70 * 1024));
        let mut stream = begin(url, &chunked, &chunk).await;
        assert_eq!(status(&mut stream).await, expected, "{head}");
    }
    app.finish().await;
}

#[tokio::test]
async fn who_sends_too_slowly_is_let_go() {
    let app = TestApp::simulators(|config| {
        configured(config);
        config.listeners.admin.limits.head_timeout = Duration::from_millis(200);
        for listener in [&mut config.listeners.facades, &mut config.listeners.callbacks] {
            listener.limits.body_timeout = Duration::from_millis(200);
        }
    });
    let app = app.await.serve().await;
    let (facades, callbacks) = (app.facades(), app.callbacks());
    // A head that does not end.
    let mut silent = connect(&app.admin()).await;
    silent.write_all(b"GET /livez HTTP/1.1\r\nhost:").await.unwrap();
    assert!([0, 408].contains(&status(&mut silent).await));
    // A body that does not end; a platform is told to come back.
    let signed = "POST /callbacks/voipbin/vb HTTP/1.1\r\nx-voipbin-signature: x";
    let mut slow = begin(&callbacks, &format!("{signed}\r\ncontent-length: 100"), "{").await;
    assert_eq!(status(&mut slow).await, 503);
    let key = query_key();
    let head = format!("POST /v1.0/campaigns?{key} HTTP/1.1\r\ncontent-length: 100");
    assert_eq!(status(&mut begin(&facades, &head, "{").await).await, 400);
    for listener in ["callbacks", "facades"] {
        let name =
            format!("dialbridge_refused_total{{listener=\"{listener}\",reason=\"body-too-slow\"}}");
        assert_eq!(metric(&app, &name).await, 1);
    }
    app.finish().await;
}

#[tokio::test]
async fn silent_connections_and_unfinished_bodies_keep_nobody_out() {
    let app = TestApp::simulators(|config| {
        configured(config);
        config.listeners.callbacks.limits.connections = 200;
        config.listeners.callbacks.limits.connections_per_peer = 150;
        config.listeners.facades.limits.connections = 100;
    });
    let app = app.await.serve().await;
    let callbacks = app.callbacks();
    let mut held = Vec::new();
    for _ in 0..140 {
        held.push(connect(&callbacks).await);
    }
    assert_eq!(push(&app).await, 200);
    let head = "POST /callbacks/voipbin/vb HTTP/1.1\r\nx-voipbin-signature: x\r\n\
                content-length: 60000";
    for _ in 0..1000 {
        held.push(begin(&callbacks, head, "{").await);
    }
    for _ in 0..200 {
        held.push(connect(&app.facades()).await);
    }
    for _ in 0..5 {
        assert_eq!(push(&app).await, 200);
        assert!(is_ready(&app).await);
    }
    assert_eq!(app.vb("GET", "/campaigns", None).await.status, 200);
    assert!(metric(&app, "dialbridge_connections{listener=\"callbacks\"}").await <= 150);
    assert!(metric(&app, "dialbridge_connections{listener=\"facades\"}").await <= 100);
    drop(held);
    app.finish().await;
}

#[tokio::test]
async fn bodies_hold_no_more_memory_than_there_is_for_them() {
    let app = TestApp::simulators(|config| {
        configured(config);
        config.listeners.bodies_in_flight_bytes = 4 * 256 * 1024;
    });
    let app = app.await.serve().await;
    let head = "POST /callbacks/voipbin/vb HTTP/1.1\r\nx-voipbin-signature: x\r\n\
                content-length: 60000";
    let used = "dialbridge_bodies_in_flight_bytes{of=\"unproved\"}";
    // What has come is counted, in pieces of 8 KiB, and not what was announced.
    let mut held = vec![begin(&app.callbacks(), head, &"x".repeat(40_000)).await];
    until(async || metric(&app, used).await == 5 * 8192).await;
    for _ in 0..49 {
        held.push(begin(&app.callbacks(), head, &"x".repeat(40_000)).await);
    }
    let refused = "dialbridge_refused_total{listener=\"callbacks\",reason=\"no-room\"}";
    until(async || metric(&app, refused).await > 0).await;
    assert!(metric(&app, used).await <= 256 * 1024);
    // A small one makes its way, and known clients have memory of their own.
    assert_eq!(push(&app).await, 200);
    let reply = app.vb("PUT", "/campaigns/x", Some(serde_json::json!({}))).await;
    assert_eq!(reply.reason(), "INVALID_ID");
    drop(held);
    until(async || metric(&app, used).await == 0).await;
    app.finish().await;
}

#[tokio::test]
async fn who_is_refused_too_often_waits_and_who_is_known_does_not() {
    let app = TestApp::simulators(|config| config.listeners.facades.limits.refusals_per_peer = 10);
    let app = app.await.serve().await;
    for _ in 0..10 {
        assert_eq!(app.vb_as(Caller::Stranger, "GET", "/campaigns", None).await.status, 401);
    }
    let reply = app.vb_as(Caller::Stranger, "GET", "/campaigns", None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(app.vb("GET", "/campaigns", None).await.status, 200);
    app.finish().await;
}

/// Handshakes that do not go on are connections like any other.
#[tokio::test]
async fn silent_handshakes_keep_nobody_out() {
    let app = TestApp::simulators(|config| {
        configured(config);
        let callbacks = &mut config.listeners.callbacks;
        let certificate_file = tls_file("server.pem");
        callbacks.tls = Some(TlsFiles { certificate_file, key_file: tls_file("server.key.pem") });
        callbacks.limits.connections_per_peer = 20;
    });
    let app = app.await.serve().await;
    let callbacks = app.callbacks();
    let mut held = Vec::new();
    for _ in 0..140 {
        let mut silent = connect(&callbacks).await;
        // The beginning of a record.
        silent.write_all(&[22, 3, 1]).await.unwrap();
        held.push(silent);
    }
    let body =
        r#"{"type":"campaign_updated","data":{"id":"11111111-1111-4111-8111-111111111111"}}"#;
    let signature = webhook::sign(&SecretString::from(SECRET), body.as_bytes());
    let authority = std::fs::read(tls_file("authority.pem")).unwrap();
    let authority = reqwest::Certificate::from_pem(&authority).unwrap();
    let url = callbacks.replace("http:", "https:") + "/callbacks/voipbin/vb";
    for _ in 0..3 {
        // Each on a connection of its own.
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority.clone()]);
        let push = client.build().unwrap().post(&url).header("x-voipbin-signature", &signature);
        assert_eq!(push.body(body).send().await.unwrap().status(), 200);
    }
    assert!(metric(&app, "dialbridge_connections{listener=\"callbacks\"}").await <= 20);
    let made_room = "dialbridge_refused_total{listener=\"callbacks\",reason=\"made-room\"}";
    assert!(metric(&app, made_room).await >= 120);
    drop(held);
    app.finish().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_ends() {
    let app = TestApp::simulators(|config| {
        let facades = &mut config.listeners.facades;
        let certificate_file = tls_file("server.pem");
        facades.tls = Some(TlsFiles { certificate_file, key_file: tls_file("server.key.pem") });
        facades.limits.head_timeout = Duration::from_millis(200);
    });
    let app = app.await.serve().await;
    let mut silent = connect(&app.facades()).await;
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or(0), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_little_of_what_comes_to_a_wrong_address_is_kept_and_the_rest_is_not_read() {
    let app = TestApp::simulators(|config| {
        configured(config);
        config.listeners.callbacks.body_limit_bytes = 256 * 1024;
    });
    let app = app.await.serve().await;
    let head = "POST /callbacks/isales/cc/an-old-token HTTP/1.1\r\ncontent-length";
    let kept = r#"[{"campaignId":"1"}]"#;
    let mut stream = begin(&app.callbacks(), &format!("{head}: {}", kept.len()), kept).await;
    assert_eq!(status(&mut stream).await, 401);
    let mut stream = begin(&app.callbacks(), &format!("{head}: 70000"), "[").await;
    assert_eq!(status(&mut stream).await, 401, "it is told before the body is there");
    let quarantine = app.api("/inbox/quarantine").await;
    let items = quarantine["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{quarantine}");
    assert_eq!((&items[0]["bytes"], &items[0]["proved"]), (&kept.len().into(), &false.into()));
    let name = "dialbridge_refused_total{listener=\"callbacks\",reason=\"wrong-address\"}";
    assert_eq!(metric(&app, name).await, 2);
    app.finish().await;
}
