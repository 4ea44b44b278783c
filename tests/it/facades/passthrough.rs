//! Paths that nobody here translates: passed on with other credentials, streamed both ways, and only
//! where the client's settings allow it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use dialbridge::config::{Config, PlatformSettings, WritePolicy};
use dialbridge::domain::ids::AccountSlug;
use dialbridge::transport::streaming::MAX_STREAMS;
use futures_util::{StreamExt, stream};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use crate::support::{Caller, TestApp, until};

/// Needs encoding, so that a key that is found only as it is written would slip through.
const KEY: &str = "vb key/of+the=account";
const MEGABYTE: usize = 1024 * 1024;
const REQUEST_TIMEOUT_MS: u64 = 2_000;

/// A server in VoIPBin's place that shows what reached it and answers when it is told to.
#[derive(Clone)]
struct Upstream {
    seen: Arc<Mutex<Vec<Seen>>>,
    go_on: Arc<Notify>,
    received: mpsc::UnboundedSender<usize>,
}

#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
}

/// The gateway with that server as the home of `vb`.
struct Stage {
    app: TestApp,
    upstream: Upstream,
    received: mpsc::UnboundedReceiver<usize>,
    server: actix_web::dev::ServerHandle,
    http: reqwest::Client,
}

impl Stage {
    async fn set(rules: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let upstream = Upstream { seen: Arc::default(), go_on: Arc::default(), received: sender };
        let served = upstream.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(served.clone()))
                .app_data(web::PayloadConfig::new(64 * MEGABYTE))
                .default_service(web::to(answer))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        let app = TestApp::simulators(|config| {
            let account = &mut config.accounts[0];
            account.base_url = format!("http://{address}/v1.0").parse().unwrap();
            account.limits.request_timeout_ms = REQUEST_TIMEOUT_MS;
            let PlatformSettings::Voipbin { access_key, .. } = &mut account.platform else {
                panic!("the first account is VoIPBin's");
            };
            *access_key = SecretString::from(KEY);
            config.listeners.facades.body_limit_bytes = 8 * MEGABYTE;
            for client in &mut config.clients {
                let rules = rules.iter().map(|rule| rule.parse().unwrap());
                client.voipbin.as_mut().unwrap().pass_through = rules.collect();
            }
            change(config);
        });
        let app = app.await.serve().await;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { app, upstream, received, server: handle, http }
    }

    fn url(&self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{}/v1.0{path}{joint}accesskey={}", self.app.facades(), Caller::Both.key())
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), self.url(path))
    }

    /// What reached the server but for the gateway's own looking around.
    fn seen(&self) -> Vec<Seen> {
        let seen = self.upstream.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.path != "/v1.0/campaigns").cloned().collect()
    }

    async fn finish(self) {
        self.server.stop(false).await;
        self.app.finish().await;
    }
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

async fn answer(
    upstream: web::Data<Upstream>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> HttpResponse {
    let headers = request.headers().iter();
    upstream.seen.lock().unwrap().push(Seen {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
    });
    let go_on = Arc::clone(&upstream.go_on);
    match request.path() {
        "/v1.0/campaigns" => HttpResponse::Ok().json(json!({"result": [], "next_page_token": ""})),
        "/v1.0/echo" => HttpResponse::Ok().content_type("audio/wav").streaming(payload),
        "/v1.0/count" => {
            let mut total = 0;
            while let Some(chunk) = payload.next().await {
                let Ok(chunk) = chunk else {
                    upstream.received.send(usize::MAX).unwrap();
                    return HttpResponse::BadRequest().finish();
                };
                total += chunk.len();
                upstream.received.send(total).unwrap();
            }
            HttpResponse::Ok().json(json!({ "total": total }))
        }
        // Half an answer, and the rest when the test says so; never, if it does not.
        "/v1.0/half" => {
            let rest = stream::once(async move {
                go_on.notified().await;
                Ok(Bytes::from_static(b"rest"))
            });
            let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"first "))]);
            HttpResponse::Ok().streaming(first.chain(rest))
        }
        "/v1.0/slow" => {
            let drops = stream::unfold(0, |n| async move {
                tokio::time::sleep(Duration::from_millis(REQUEST_TIMEOUT_MS / 4)).await;
                (n < 6).then_some((Ok::<_, std::io::Error>(Bytes::from_static(b"drop ")), n + 1))
            });
            HttpResponse::Ok().streaming(drops)
        }
        "/v1.0/endless" => HttpResponse::Ok().streaming(stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from(vec![0; 65536]))
        })),
        "/v1.0/huge" => HttpResponse::Ok().body(vec![0; 9 * MEGABYTE]),
        "/v1.0/busy" => {
            HttpResponse::TooManyRequests().insert_header(("retry-after", "1")).body("later")
        }
        "/v1.0/none" => HttpResponse::NoContent().finish(),
        "/v1.0/moved" => {
            let location = request.headers().get("range").unwrap();
            HttpResponse::Found().insert_header(("location", location)).finish()
        }
        _ => HttpResponse::Ok()
            .insert_header(("set-cookie", "token=theirs"))
            .insert_header(("server", "theirs"))
            .insert_header(("content-disposition", "attachment; filename=a.wav"))
            .insert_header(("x-request-id", "req_THEIRS"))
            .json(json!({"path": request.path()})),
    }
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let stage = Stage::set(&["POST /echo"], |_| {}).await;
    let body: Bytes = (0..=250_u8).cycle().take(5 * MEGABYTE).collect();
    // With a length, and without.
    let streamed = reqwest::Body::wrap_stream(stream::iter(
        body.chunks(50_000)
            .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
            .collect::<Vec<_>>(),
    ));
    for sent in [reqwest::Body::from(body.clone()), streamed] {
        let reply = stage.request("POST", "/echo").body(sent).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "audio/wav");
        assert!(reply.bytes().await.unwrap() == body, "the body came back as it was sent");
    }
    let seen = stage.seen();
    assert_eq!(seen[0].header("content-length"), Some("5242880"));
    assert_eq!(seen[1].header("transfer-encoding"), Some("chunked"));
    stage.finish().await;
}

#[tokio::test]
async fn a_body_goes_on_while_it_arrives() {
    let mut stage = Stage::set(&["POST /count"], |_| {}).await;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let request = stage.request("POST", "/count").body(reqwest::Body::wrap_stream(body));
    let reply = tokio::spawn(request.send());
    let mut expected = 0;
    for _ in 0..3 {
        sender.send(Ok(Bytes::from_static(b"0123456789"))).await.unwrap();
        expected += 10;
        // The platform has this piece before the client sends the next one.
        while stage.received.recv().await.unwrap() < expected {}
    }
    drop(sender);
    let reply = reply.await.unwrap().unwrap();
    assert_eq!(reply.text().await.unwrap(), r#"{"total":30}"#);
    stage.finish().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_whole() {
    let mut stage = Stage::set(&["POST /count"], |_| {}).await;
    let broken = stream::iter([
        Ok(Bytes::from_static(b"0123456789")),
        Err(std::io::Error::other("the client goes away")),
    ]);
    let request = stage.request("POST", "/count").body(reqwest::Body::wrap_stream(broken));
    assert!(request.send().await.is_err());
    let mut received = Vec::new();
    // The platform hears of it as an error, if it heard of the request at all.
    while let Ok(Some(total)) =
        tokio::time::timeout(Duration::from_secs(1), stage.received.recv()).await
    {
        received.push(total);
    }
    assert!(received.is_empty() || received.last() == Some(&usize::MAX), "{received:?}");
    stage.finish().await;
}

#[tokio::test]
async fn an_answer_goes_on_while_it_arrives() {
    let stage = Stage::set(&["GET /half"], |_| {}).await;
    let mut reply = stage.request("GET", "/half").send().await.unwrap();
    assert_eq!(reply.chunk().await.unwrap().unwrap(), "first ");
    // Only now does the platform say the rest.
    stage.upstream.go_on.notify_one();
    assert_eq!(reply.chunk().await.unwrap().unwrap(), "rest");
    assert_eq!(reply.chunk().await.unwrap(), None);
    stage.finish().await;
}

#[tokio::test]
async fn slow_is_not_silent() {
    let stage = Stage::set(&["GET /slow", "GET /half"], |_| {}).await;
    // Longer than a request may take, but never silent for as long.
    let reply = stage.request("GET", "/slow").send().await.unwrap();
    assert_eq!(reply.text().await.unwrap(), "drop ".repeat(6));
    // Silent after its first half: cut off, so that nobody takes it for whole.
    let mut reply = stage.request("GET", "/half").send().await.unwrap();
    assert_eq!(reply.chunk().await.unwrap().unwrap(), "first ");
    assert!(reply.chunk().await.is_err());
    stage.finish().await;
}

#[tokio::test]
async fn bodies_have_limits() {
    let rules = ["POST /count", "GET /endless", "GET /huge"];
    let mut stage = Stage::set(&rules, |_| {}).await;
    let too_large = vec![0_u8; 8 * MEGABYTE + 1];
    let reply = stage.request("POST", "/count").body(too_large.clone()).send().await;
    // Refused before it is read: the answer, or the closed connection.
    if let Ok(reply) = reply {
        assert_eq!(reply.status(), 400);
    }
    assert!(stage.seen().is_empty());
    let chunks: Vec<_> =
        too_large.chunks(65_536).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(stream::iter(chunks));
    if let Ok(reply) = stage.request("POST", "/count").body(body).send().await {
        assert_eq!(reply.status(), 400);
        let reply: serde_json::Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        assert_eq!(reply["error"]["reason"], "INVALID_JSON_BODY");
    }
    while stage.received.recv().await.unwrap() != usize::MAX {}
    // Announced, and not announced.
    let reply = stage.request("GET", "/huge").send().await.unwrap();
    assert_eq!(reply.status(), 503);
    let reply = stage.request("GET", "/endless").send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.bytes().await.is_err());
    stage.finish().await;
}

#[tokio::test]
async fn credentials_stay_on_their_side() {
    let stage = Stage::set(&["GET /numbers/**"], |_| {}).await;
    let request = stage
        .request("GET", "/numbers/%2B49123?x=%2B1&token=")
        .header("cookie", "accesskey=vb_key_of_seed; other=1")
        .header("authorization", "Basic abc")
        .header("x-request-id", "mine-1")
        .header("x-forwarded-for", "10.0.0.1")
        .header("accept", "application/json")
        .header("connection", "x-hop")
        .header("x-hop", "1");
    // The cookie comes first: the seed client asks.
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["x-request-id"], "mine-1");
    assert_eq!(reply.headers()["content-disposition"], "attachment; filename=a.wav");
    for name in ["set-cookie", "server", "location"] {
        assert!(!reply.headers().contains_key(name), "{name}");
    }
    assert_eq!(reply.text().await.unwrap(), r#"{"path":"/v1.0/numbers/%2B49123"}"#);
    let seen = &stage.seen()[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/v1.0/numbers/%2B49123"));
    assert_eq!(seen.query, "x=%2B1&accesskey=vb+key%2Fof%2Bthe%3Daccount");
    let mut names: Vec<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "host", "x-request-id"]);
    assert_eq!(seen.header("x-request-id"), Some("mine-1"));
    stage.finish().await;
}

#[tokio::test]
async fn redirects_are_for_the_client_and_never_show_the_key() {
    let stage = Stage::set(&["GET /moved"], |_| {}).await;
    for (location, shown) in [
        ("https://storage.example.com/a.wav?signature=abc", true),
        ("https://storage.example.com/?k=vb%20key%2Fof%2Bthe%3Daccount", false),
        ("https://storage.example.com/?k=vb key/of+the=account", false),
        ("/v1.0/elsewhere?accesskey=x", false),
        ("not an address", false),
    ] {
        let request = stage.request("GET", "/moved").header("range", location);
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 302, "{location}");
        let got = reply.headers().get("location").map(|value| value.to_str().unwrap());
        assert_eq!(got, shown.then_some(location));
    }
    stage.finish().await;
}

#[tokio::test]
async fn only_what_is_allowed_passes() {
    let rules = ["GET /calls", "GET /calls/{id}/media", "POST /calls"];
    let stage = Stage::set(&rules, |config| {
        config.clients[3].voipbin.as_mut().unwrap().pass_through.clear();
    })
    .await;
    let app = &stage.app;
    for (method, path) in [
        ("GET", "/numbers"),
        ("DELETE", "/calls"),
        ("HEAD", "/calls"),
        ("GET", "/calls/"),
        ("GET", "/calls//media"),
        ("GET", "/calls/../media"),
        ("GET", "/calls/%2e%2e/media"),
        ("GET", "/calls/a%2fb/media"),
        ("GET", "/calls/a%5Cb/media"),
        ("GET", "/calls/a%00/media"),
        ("GET", "/calls/%zz/media"),
        ("PATCH", "/campaigns"),
    ] {
        let request = stage.request(method, "").build().unwrap();
        let url = format!(
            "{}{path}?{}",
            request.url().as_str().split('?').next().unwrap(),
            request.url().query().unwrap()
        );
        let reply = app.send(method, &url, &[], None).await;
        assert_eq!(reply.status, 404, "{method} {path}");
    }
    // A client without rules, and callers who are nobody.
    let reply = app.vb_as(Caller::Other, "GET", "/calls", None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (404, "ROUTE_NOT_FOUND"));
    let reply = app.vb_as(Caller::Stranger, "GET", "/calls", None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (401, "INVALID_CREDENTIALS"));
    let reply = app.vb_as(Caller::Stranger, "GET", "/numbers", None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (404, "ROUTE_NOT_FOUND"));
    assert!(stage.seen().is_empty(), "{:?}", stage.seen());
    for (method, path) in
        [("GET", "/calls?page_size=1"), ("GET", "/calls/7/media"), ("POST", "/calls")]
    {
        assert_eq!(app.vb(method, path, None).await.status, 200, "{method} {path}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn answers_pass_whatever_their_status() {
    let stage = Stage::set(&["GET /busy", "DELETE /none", "HEAD /busy"], |_| {}).await;
    let reply = stage.app.vb("GET", "/busy", None).await;
    assert_eq!((reply.status, reply.text.as_str()), (429, "later"));
    assert_eq!(reply.headers["retry-after"], "1");
    let reply = stage.app.vb("HEAD", "/busy", None).await;
    assert_eq!((reply.status, reply.text.as_str()), (429, ""));
    assert_eq!(reply.headers["content-length"], "5");
    let reply = stage.app.vb("DELETE", "/none", None).await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    stage.finish().await;
}

#[tokio::test]
async fn writes_need_leave_and_an_account_must_be_meant() {
    let stage = Stage::set(&["GET /calls", "POST /calls"], |config| {
        config.accounts[1].writes = WritePolicy::Deny;
        let slug = |slug| AccountSlug::new(slug).unwrap();
        // Two accounts, none chosen; two accounts, one chosen; an account of the other platform.
        config.clients[1].accounts = vec![slug("vb"), slug("vb-other")];
        config.clients[3].accounts = vec![slug("vb"), slug("vb-other")];
        config.clients[3].create_on = Some(slug("vb-other"));
        let mut third = config.clients[0].clone();
        third.name = "third".to_owned();
        third.accounts = vec![slug("cc")];
        third.isales = None;
        third.voipbin.as_mut().unwrap().access_key = SecretString::from(Caller::Stranger.key());
        config.clients.push(third);
    })
    .await;
    let app = &stage.app;
    let call = Some(json!({"source": {}}));
    let reply = app.vb_as(Caller::Reader, "POST", "/calls", call.clone()).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"));
    let reply = app.vb_as(Caller::Other, "POST", "/calls", call.clone()).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "PERMISSION_DENIED"));
    let reply = app.vb_as(Caller::Stranger, "POST", "/calls", call).await;
    assert_eq!((reply.status, reply.reason().as_str()), (409, "UNSUPPORTED_BY_HOME"));
    assert!(stage.seen().is_empty());
    // The seed generation says little: a bare 400.
    let reply = app.vb_as(Caller::Seed, "GET", "/calls", None).await;
    assert_eq!((reply.status, reply.text.as_str()), (400, ""));
    // The chosen one is the simulator, which does not know the path either; its words pass.
    let reply = app.vb_as(Caller::Other, "GET", "/calls", None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (404, "ROUTE_NOT_FOUND"));
    assert_eq!(app.vb_as(Caller::Reader, "GET", "/calls", None).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn a_platform_that_is_gone_is_unavailable() {
    let stage = Stage::set(&["GET /calls"], |_| {}).await;
    stage.server.stop(false).await;
    let reply = stage.app.vb("GET", "/calls", None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "SERVICE_UNAVAILABLE"));
    assert!(!reply.text.contains("accesskey") && !reply.text.contains("127.0.0.1"));
    stage.app.finish().await;
}

#[tokio::test]
async fn slow_readers_leave_room_for_everything_else() {
    let stage = Stage::set(&["GET /half"], |config| {
        config.accounts[0].limits.request_timeout_ms = 10_000;
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..MAX_STREAMS {
        let reply = stage.request("GET", "/half").send().await.unwrap();
        assert_eq!(reply.status(), 200);
        open.push(reply);
    }
    let reply = stage.app.vb("GET", "/half", None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert!(reply.headers.contains_key("retry-after"));
    // What is served here still reaches the account, and a stream that ends makes room.
    assert_eq!(stage.app.vb("GET", "/campaigns", None).await.status, 200);
    stage.upstream.go_on.notify_one();
    until(async || {
        let reply = stage.request("GET", "/half").send().await.unwrap();
        let has_room = reply.status() == 200;
        open.push(reply);
        has_room
    })
    .await;
    // Let all of them end.
    let last = open.pop().unwrap();
    let ended = tokio::spawn(last.text());
    while !ended.is_finished() {
        stage.upstream.go_on.notify_waiters();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.finish().await;
}
