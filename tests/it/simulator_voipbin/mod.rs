//! The VoIPBin simulator, held against the reference and `fixtures/`, and what both simulators share.

mod api;
mod command;
mod engine;
mod faults;
mod webhooks;

use std::time::Duration;

use dialbridge::clock::Clock;
use dialbridge::simulators::Running;
use dialbridge::simulators::voipbin::{Options, start};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

const KEY: &str = "vb_simulated_key_1";
const OTHER_KEY: &str = "vb_simulated_key_2";

/// A simulator on a clock that stands still, and a client of it.
struct Sim {
    running: Running,
    clock: Clock,
    client: reqwest::Client,
}

struct Reply {
    status: u16,
    text: String,
    headers: reqwest::header::HeaderMap,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn reason(&self) -> String {
        self.json()["error"]["reason"].as_str().unwrap_or_default().to_owned()
    }
}

fn start_of_time() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

/// Without rate limits: they would need the clock to move.
fn options() -> Options {
    Options {
        clock: Clock::virtual_at(start_of_time(), 1),
        rate_limits: None,
        ..Options::default()
    }
}

impl Sim {
    #[expect(clippy::disallowed_methods, reason = "a test's own client, not the gateway's")]
    async fn start(options: Options) -> Self {
        let clock = options.clock.clone();
        let running = start(options).await.unwrap();
        Self { running, clock, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let joint = if path.contains('?') { '&' } else { '?' };
        self.raw(method, &format!("/v1.0{path}{joint}accesskey={KEY}"), body.map(|b| b.to_string()))
            .await
    }

    async fn raw(&self, method: Method, path: &str, body: Option<String>) -> Reply {
        self.try_raw(method, path, body).await.unwrap()
    }

    async fn try_raw(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Reply, reqwest::Error> {
        let url = format!("{}{path}", self.running.base_url());
        let request = self.client.request(method, url).header("x-request-id", "req_of-the-client");
        let response = request.body(body.unwrap_or_default()).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, text: response.text().await? })
    }

    async fn get(&self, path: &str) -> Value {
        let reply = self.ask(Method::GET, path, None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    async fn put(&self, path: &str, body: Value) -> Value {
        let reply = self.ask(Method::PUT, path, Some(body)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let reply = self.ask(Method::POST, path, Some(body)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    async fn seed(&self, seed: Value) {
        let reply = self.raw(Method::POST, "/_sim/seed", Some(seed.to_string())).await;
        assert_eq!(reply.status, 204, "{}", reply.text);
    }

    /// Moves to `seconds` after the start of time.
    async fn at(&self, seconds: f64) {
        let target = start_of_time() + SignedDuration::from_secs_f64(seconds);
        let left = Duration::try_from(target.duration_since(self.clock.now())).unwrap();
        self.clock.advance(left).await;
    }

    async fn status(&self, campaign: &str) -> String {
        self.get(&format!("/campaigns/{campaign}")).await["status"].as_str().unwrap().to_owned()
    }

    /// A campaign with one target of the given addresses, ready to run.
    async fn campaign(&self, end_handle: &str, tries: [i64; 2], addresses: &[&str]) -> Ids {
        let outplan = self
            .post("/outplans", json!({
                "name": "plan", "detail": "d", "source": {"type": "tel", "target": "+14155550100"},
                "dial_timeout": 30000, "try_interval": 60000,
                "max_try_count_0": tries[0], "max_try_count_1": tries[1],
            }))
            .await;
        let campaign = self
            .post(
                "/campaigns",
                json!({
                    "name": "test", "detail": "d", "type": "call", "service_level": 100,
                    "end_handle": end_handle, "actions": [], "outplan_id": outplan["id"],
                }),
            )
            .await;
        let outdial = self
            .post(
                "/outdials",
                json!({
                    "campaign_id": campaign["id"], "name": "n", "detail": "d", "data": "x",
                }),
            )
            .await;
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let mut ids = Ids { campaign: id(&campaign), outdial: id(&outdial), target: String::new() };
        if !addresses.is_empty() {
            ids.target = self.target(&ids.outdial, addresses).await;
        }
        self.put(
            &format!("/campaigns/{}/resource_info", ids.campaign),
            json!({"outplan_id": outplan["id"], "outdial_id": ids.outdial}),
        )
        .await;
        ids
    }

    async fn target(&self, outdial: &str, addresses: &[&str]) -> String {
        let mut body = json!({"name": "n", "detail": "d", "data": "x"});
        for (index, address) in addresses.iter().enumerate() {
            body[format!("destination_{index}")] = json!({"type": "tel", "target": address});
        }
        let target = self.post(&format!("/outdials/{outdial}/targets"), body).await;
        target["id"].as_str().unwrap().to_owned()
    }

    async fn set_status(&self, campaign: &str, status: &str) -> Reply {
        let path = format!("/campaigns/{campaign}/status");
        self.ask(Method::PUT, &path, Some(json!({"status": status}))).await
    }

    /// The campaign's attempts, oldest first: slot, try, status, result, begin and last change in
    /// seconds since the start of time.
    async fn attempts(&self, campaign: &str) -> Vec<(i64, i64, String, String, f64, f64)> {
        let page = self.get(&format!("/campaigns/{campaign}/campaigncalls")).await;
        let mut rows: Vec<_> = page["result"].as_array().unwrap().iter().map(attempt).collect();
        rows.reverse();
        rows
    }
}

struct Ids {
    campaign: String,
    outdial: String,
    target: String,
}

fn attempt(row: &Value) -> (i64, i64, String, String, f64, f64) {
    let text = |key: &str| row[key].as_str().unwrap().to_owned();
    let created = seconds(&row["tm_create"]);
    (
        row["destination_index"].as_i64().unwrap(),
        row["try_count"].as_i64().unwrap(),
        text("status"),
        text("result"),
        created,
        if row["tm_update"].is_null() { created } else { seconds(&row["tm_update"]) },
    )
}

fn seconds(time: &Value) -> f64 {
    let time: Timestamp = time.as_str().unwrap().parse().unwrap();
    time.duration_since(start_of_time()).as_secs_f64()
}

fn uuid(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}
