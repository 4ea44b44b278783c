//! The CC-iSales simulator against the reference: bytes of `fixtures/`, the signing vectors, every
//! documented code that can be reached, and time on a virtual clock.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use dialbridge::clock::Clock;
use dialbridge::signing::c2;
use dialbridge::simulators::Running;
use dialbridge::simulators::isales::{
    ACCESS_KEY, OTHER_ACCESS_KEY, OTHER_SECRET_KEY, Options, SECRET_KEY, start,
};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

mod authentication;
mod callbacks;
mod contacts;
mod dialling;
mod documents;
mod errors;
mod results;

/// The day of the create samples; a Thursday.
const START: &str = "2020-09-10T00:00:00Z";

/// A simulator with a client that signs.
struct Sim {
    running: Running,
    clock: Clock,
    http: reqwest::Client,
    keys: c2::Credentials,
}

/// A stand-in for whoever takes callbacks.
struct Receiver {
    url: String,
    shared: Arc<Mutex<Received>>,
    server: actix_web::dev::ServerHandle,
}

#[derive(Default)]
struct Received {
    answers: VecDeque<(u16, &'static str)>,
    bodies: Vec<String>,
}

const TAKEN: (u16, &str) = (200, r#"{"retCode":"0","retMsg":"success"}"#);

impl Sim {
    /// On a virtual clock that stands at [`START`].
    async fn virtual_with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::virtual_at(START.parse().unwrap(), 7);
        let mut options = Options { clock: clock.clone(), ..Options::default() };
        change(&mut options);
        Self::start(options).await
    }

    async fn virtual_clock() -> Self {
        Self::virtual_with(|_| {}).await
    }

    async fn start(options: Options) -> Self {
        let clock = options.clock.clone();
        let running = start(options).await.unwrap();
        rustls::crypto::ring::default_provider().install_default().ok();
        Self {
            running,
            clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            keys: credentials(ACCESS_KEY, SECRET_KEY),
        }
    }

    /// An operation below `/rest/isales/`; status and text of the answer.
    async fn raw(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        self.send(&self.keys, (method, path), body).await
    }

    async fn send(
        &self,
        keys: &c2::Credentials,
        (method, path): (&str, &str),
        body: Option<&str>,
    ) -> (u16, String) {
        let url = format!("{}/rest/isales/{path}", self.running.base_url());
        let url = reqwest::Url::parse(&url).unwrap();
        let host = [("host", self.running.address.to_string())];
        let request = c2::Request {
            method,
            path: url.path(),
            raw_query: url.query(),
            headers: &Signed(&host),
            body: body.unwrap_or_default().as_bytes(),
        };
        let options = c2::SignOptions {
            timestamp: self.clock.wall(),
            millis: true,
            signed_headers: &c2::SignedHeaders::host_only(),
            empty_query_line: false,
        };
        let value = c2::sign(keys, &request, &options).unwrap();
        let mut request = self.http.request(method.parse().unwrap(), url);
        request = request.header("authorization", value);
        request = request.header("content-type", "application/json; charset=UTF-8");
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// An answer with an envelope; both pairs must be there and equal.
    async fn call(&self, method: &str, path: &str, body: impl Into<Option<Value>>) -> Value {
        let body = body.into().map(|body| body.to_string());
        let (status, text) = self.raw(method, path, body.as_deref()).await;
        assert_eq!(status, 200, "{method} {path}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["resultCode"], answer["returnCode"], "{answer}");
        assert_eq!(answer["resultDesc"], answer["returnDesc"], "{answer}");
        answer
    }

    async fn ok(&self, method: &str, path: &str, body: impl Into<Option<Value>>) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer["resultCode"], "0200000", "{method} {path}: {answer}");
        answer
    }

    async fn code(&self, method: &str, path: &str, body: impl Into<Option<Value>>) -> String {
        self.call(method, path, body).await["resultCode"].as_str().unwrap().to_owned()
    }

    /// A campaign of VDN 11; its id.
    async fn create(&self, document: Value) -> i64 {
        let answer = self.ok("POST", "v2/openapi/campaigns/11", document).await;
        answer["returnObject"]["id"].as_i64().unwrap()
    }

    /// V2 records; their data ids.
    async fn add(&self, campaign: i64, records: Value) -> Vec<String> {
        let path = format!("v2/openapi/campaigns/11/calldata/{campaign}");
        let answer = self.ok("POST", &path, json!({ "callDataList": records })).await;
        let list = answer["returnObject"]["dataIdList"].as_array().unwrap().clone();
        list.iter().map(|item| item["dataId"].as_str().unwrap().to_owned()).collect()
    }

    /// Rows of a result query, `showDetail` 1.
    async fn attempts(&self, campaign: i64) -> Vec<Value> {
        let path = format!("v1/openapi/campaigns/11/callresult/{campaign}");
        let answer = self.ok("POST", &path, json!({ "showDetail": 1, "pageSize": 100 })).await;
        answer["data"].as_array().unwrap().clone()
    }

    async fn status(&self, campaign: i64) -> i64 {
        let path = format!("v1/openapi/campaigns/11/{campaign}");
        self.ok("GET", &path, None).await["returnObject"]["status"].as_i64().unwrap()
    }

    async fn control(&self, path: &str, body: Value) -> (u16, String) {
        let url = format!("{}/_sim/{path}", self.running.base_url());
        let response = self.http.post(url).body(body.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn switch(&self, switches: Value) {
        let (status, text) = self.control("switches", switches).await;
        assert_eq!(status, 200, "{text}");
    }

    /// Forces the calls to numbers with this ending.
    async fn force(&self, suffix: &str, codes: &[&str]) {
        let rule = json!([{ "suffix": suffix, "codes": codes, "ringS": 5, "talkS": 10 }]);
        let (status, text) = self.control("outcomes", rule).await;
        assert_eq!(status, 204, "{text}");
    }

    async fn advance_s(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds)).await;
    }
}

impl Receiver {
    /// Answers with `answers` first, then always with success.
    fn start(answers: &[(u16, &'static str)]) -> Self {
        let answers = answers.iter().copied().collect();
        let shared = Arc::new(Mutex::new(Received { answers, bodies: Vec::new() }));
        let data = web::Data::from(Arc::clone(&shared));
        let (sent, received) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new().app_data(data.clone()).default_service(web::to(take_callback))
                };
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.bind(("127.0.0.1", 0)).unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                sent.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, server) = received.recv().unwrap();
        Self { url: format!("http://{address}/callbacks/token"), shared, server }
    }

    fn bodies(&self) -> Vec<String> {
        self.shared.lock().unwrap().bodies.clone()
    }

    async fn has(&self, count: usize) -> Vec<String> {
        until(|| self.bodies().len() >= count).await;
        self.bodies()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn take_callback(body: String, shared: web::Data<Mutex<Received>>) -> HttpResponse {
    let mut shared = shared.lock().unwrap();
    shared.bodies.push(body);
    let (status, text) = shared.answers.pop_front().unwrap_or(TAKEN);
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status).body(text)
}

struct Signed<'a>(&'a [(&'a str, String)]);

impl c2::Headers for Signed<'_> {
    fn value(&self, lower_case_name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(name, _)| *name == lower_case_name);
        found.map(|(_, value)| value.as_bytes())
    }
}

fn credentials(access_key: &str, secret_key: &str) -> c2::Credentials {
    c2::Credentials::new(access_key, &SecretString::from(secret_key)).unwrap()
}

fn other_tenant() -> c2::Credentials {
    credentials(OTHER_ACCESS_KEY, OTHER_SECRET_KEY)
}

/// A fixture in one line, members in the order of the file.
fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/isales").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// An IVR campaign that dials at any time of day, from the start of the virtual clock.
fn always(name: &str) -> Value {
    json!({
        "name": name,
        "strBeginTime": "2020-09-10 00:00:00",
        "strEndTime": "2020-10-10 00:00:00",
        "deviceType": 3,
        "callerNo": [{ "accessCode": "10085", "priority": 1 }],
        "maxAlertingTime": 20,
        "scheduleParam": { "workdayBeginTime1": "00:00", "workdayEndTime1": "23:59" },
        "ivrParam": { "deviceSign": "66001", "callCount": 10, "callInterval": 1 },
    })
}

/// The document with members replaced.
fn with(mut document: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        document[name] = value;
    }
    document
}

fn numbers(called: &[&str]) -> Value {
    let records: Vec<Value> = called
        .iter()
        .map(|number| json!({ "sessionId": format!("s{number}"), "called": [{ "calledNo": number }] }))
        .collect();
    records.into()
}

/// Waits for what another thread is about to do. The bound only ends a test that has failed.
async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..4_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("did not happen");
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
