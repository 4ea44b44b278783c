//! The one helper: both simulators and a real gateway on random ports with a temporary store, and
//! clients of both facades. It ends with the books balanced: every contact that a facade confirmed
//! was taken by a platform, and no answer was an internal error.

pub mod config;
pub mod relay;
pub mod results;
pub mod sink;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dialbridge::app::{self, StartOptions};
use dialbridge::clock::Clock;
use dialbridge::config::{
    ClientConfig, ClientScope, Config, IsalesClient, IsalesRelease, LedgerConfig, VoipbinClient,
    VoipbinProfile,
};
use dialbridge::domain::ids::AccountSlug;
use dialbridge::signing::c2;
use dialbridge::signing::keys::MasterKeys;
use dialbridge::simulators::{self, isales, voipbin};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use reqwest::Method;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// VDN of the first CC-iSales account, and the virtual ones of both VoIPBin accounts.
pub const VDN: i64 = 11;
pub const OTHER_VDN: i64 = 22;
pub const VIRTUAL_VDN: i64 = 901;
pub const OTHER_VIRTUAL_VDN: i64 = 902;

/// What the gateway's tokens and secrets are made from.
pub const MASTER_KEY: &str = "1 0123456789abcdef0123456789abcdef";

/// What has not come by then will not come: a hang is told as a failure. No test depends on it.
const HUNG_AFTER: SignedDuration = SignedDuration::from_secs(240);

/// A client of the facades; `both` unless a test says otherwise.
#[derive(Debug, Clone, Copy)]
pub enum Caller {
    /// May read and write on `vb` and `cc`; answers of the current generation.
    Both,
    /// The same in the older generation.
    Seed,
    /// May only read.
    Reader,
    /// Has the accounts `vb-other` and `cc-other` instead.
    Other,
    /// Nobody knows its keys.
    Stranger,
}

pub struct TestApp {
    pub voipbin: simulators::Running,
    pub isales: simulators::Running,
    /// Time of the simulators, which runs faster.
    pub simulated: Clock,
    running: Option<app::Running>,
    /// Apart, for it is large, and every test holds this.
    config: Box<Config>,
    http: reqwest::Client,
    /// Contacts that facades confirmed.
    confirmed: AtomicUsize,
    /// Contacts of which a facade said that the outcome is not known, and a platform took them.
    in_doubt: AtomicUsize,
    directory: tempfile::TempDir,
}

/// An answer of a facade or a simulator.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// Ids of a VoIPBin campaign and its parts, on the simulator.
#[derive(Debug, Clone)]
pub struct VoipbinIds {
    pub campaign: String,
    pub outplan: String,
    pub outdial: String,
}

impl TestApp {
    /// Both simulators, without a gateway yet: what is created now is there when it first looks.
    pub async fn simulators(change: impl FnOnce(&mut Config)) -> Self {
        Self::simulators_of(isales::Release::Y2025, change).await
    }

    /// The same with the CC-iSales of a certain edition.
    pub async fn simulators_of(release: isales::Release, change: impl FnOnce(&mut Config)) -> Self {
        Self::simulators_in((release, TimeZone::UTC), change).await
    }

    /// The same with its tenant in another zone.
    #[expect(clippy::disallowed_methods, reason = "a test's client is no platform's")]
    pub async fn simulators_in(
        (release, time_zone): (isales::Release, TimeZone),
        change: impl FnOnce(&mut Config),
    ) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let simulated = Clock::scaled(60.0, Some(7));
        let voipbin = voipbin::start(voipbin::Options {
            clock: simulated.clone(),
            rate_limits: None,
            ..voipbin::Options::default()
        });
        let isales = isales::start(isales::Options {
            clock: simulated.clone(),
            answer_rate: 1.0,
            release,
            time_zone,
            ..isales::Options::default()
        });
        let (voipbin, isales) = (voipbin.await.unwrap(), isales.await.unwrap());
        let directory = tempfile::tempdir().unwrap();
        let mut config = Box::new(config::config(&voipbin, &isales, &directory));
        change(&mut config);
        Self {
            voipbin,
            isales,
            simulated,
            running: None,
            config,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            confirmed: AtomicUsize::new(0),
            in_doubt: AtomicUsize::new(0),
            directory,
        }
    }

    /// Everything, with nothing on the platforms.
    pub async fn start() -> Self {
        Self::simulators(|_| {}).await.serve().await
    }

    /// Starts the gateway and waits until it has looked at every account.
    pub async fn serve(mut self) -> Self {
        let options = StartOptions { migrate: true, workers: Some(2) };
        let running = app::start((*self.config).clone(), Clock::real(), options).await.unwrap();
        let ready = format!("http://{}/readyz", running.admin);
        while self.http.get(&ready).send().await.unwrap().status() != 200 {
            pause().await;
        }
        self.running = Some(running);
        self
    }

    /// Another process on the same ledger, which many may share.
    pub async fn replica(&self) -> app::Running {
        let mut config = (*self.config).clone();
        config.id_cache.directory = self.directory.path().join("ids of the replica");
        let options = StartOptions { migrate: false, workers: Some(2) };
        app::start(config, Clock::real(), options).await.unwrap()
    }

    /// Without its gateway, whose ledger another may open now.
    pub async fn stopped(mut self) -> Self {
        self.running.take().unwrap().stop().await;
        self
    }

    /// The next gateway has another configuration.
    pub fn reconfigured(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The next gateway reaches no platform.
    pub fn cut_off(mut self) -> Self {
        for account in &mut self.config.accounts {
            // Nobody listens on the discard port.
            account.base_url.set_port(Some(9)).unwrap();
        }
        self
    }

    pub fn ledger(&self) -> PathBuf {
        match &self.config.ledger {
            LedgerConfig::Sqlite { path } => path.clone(),
            other @ LedgerConfig::Postgres { .. } => panic!("{other:?} is no file"),
        }
    }

    /// Ends everything with the books balanced.
    pub async fn finish(mut self) {
        let confirmed =
            self.confirmed.load(Ordering::SeqCst) + self.in_doubt.load(Ordering::SeqCst);
        let voipbin = self.voipbin.journal.contacts().len();
        let taken = voipbin + self.isales.journal.contacts().len();
        assert_eq!(taken, confirmed, "contacts on the platforms and contacts confirmed");
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.voipbin.stop().await;
        self.isales.stop().await;
    }

    /// Books a contact that a platform took, and whose answer was lost on the way or went to a client
    /// other than the ones here.
    pub fn one_in_doubt(&self) {
        self.in_doubt.fetch_add(1, Ordering::SeqCst);
    }

    /// A contact that a facade confirmed waits here for its campaign: no platform has it.
    pub fn one_target_is_a_draft(&self) {
        self.confirmed.fetch_sub(1, Ordering::SeqCst);
    }

    pub fn facades(&self) -> String {
        format!("http://{}", self.running.as_ref().unwrap().facades)
    }

    /// A request of the VoIPBin-shaped facade; `path` begins behind `/v1.0`.
    pub async fn vb_as(
        &self,
        caller: Caller,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Reply {
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}/v1.0{path}{joint}accesskey={}", self.facades(), caller.key());
        let reply = self.send(method, &url, &[], body.map(|body| body.to_string())).await;
        if reply.status == 200 && method == "POST" && path.ends_with("/targets") {
            self.confirmed.fetch_add(1, Ordering::SeqCst);
        }
        reply
    }

    pub async fn vb(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.vb_as(Caller::Both, method, path, body).await
    }

    /// The object behind a path, which must be there.
    pub async fn vb_get(&self, path: &str) -> Value {
        let reply = self.vb("GET", path, None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    /// A signed request of the CC-iSales-shaped facade; `path` begins behind `/rest/isales/`.
    pub async fn cc_as(
        &self,
        caller: Caller,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Reply {
        let url = format!("{}/rest/isales/{path}", self.facades());
        let (access_key, secret) = caller.keys();
        let keys = c2::Credentials::new(access_key, &SecretString::from(secret)).unwrap();
        let body = body.map(|body| body.to_string());
        let value = signature(&keys, method, &url, body.as_deref().unwrap_or_default());
        let reply = self.send(method, &url, &[("authorization", value)], body).await;
        if path.contains("/calldata/") && reply.status == 200 {
            let added = reply.json()["returnObject"]["dataIdList"].as_array().map_or(0, Vec::len);
            self.confirmed.fetch_add(added, Ordering::SeqCst);
        }
        reply
    }

    pub async fn cc(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.cc_as(Caller::Both, method, path, body).await
    }

    /// A successful answer.
    pub async fn cc_ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let reply = self.cc(method, path, body).await;
        assert_eq!(reply.code(), "0200000", "{method} {path}: {}", reply.text);
        reply.json()
    }

    /// The gateway's own API, asked with the token of an operator.
    pub async fn api_as(&self, operator: &str, method: &str, path: &str) -> Reply {
        self.ask_api(operator, (method, path), None).await
    }

    /// The same with a document.
    pub async fn ask_api(
        &self,
        operator: &str,
        (method, path): (&str, &str),
        body: Option<Value>,
    ) -> Reply {
        let url = format!("{}/api/v1{path}", self.admin());
        let token = ("authorization", format!("Bearer {operator:.<24}"));
        self.send(method, &url, &[token], body.map(|body| body.to_string())).await
    }

    /// Where CC-iSales pushes an account's results.
    pub fn results_address(&self, account: &str) -> String {
        let keys = MasterKeys::parse(&SecretString::from(MASTER_KEY)).unwrap();
        let token = keys.callback_token(account, None);
        format!("{}/callbacks/isales/{account}/{token}", self.callbacks())
    }

    /// What the operator of `vb` and `cc` sees there.
    pub async fn api(&self, path: &str) -> Value {
        let reply = self.api_as("operator", "GET", path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    /// How an account's inbox stands.
    pub async fn inbox(&self, account: &str) -> Value {
        let inbox = self.api("/inbox").await;
        let rows = inbox["items"].as_array().unwrap();
        rows.iter().find(|row| row["account"] == account).unwrap().clone()
    }

    /// A push whose body may be no text.
    pub async fn push_bytes(&self, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
        let mut request = self.http.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    pub fn callbacks(&self) -> String {
        format!("http://{}", self.running.as_ref().unwrap().callbacks)
    }

    pub fn admin(&self) -> String {
        format!("http://{}", self.running.as_ref().unwrap().admin)
    }

    /// A request as it is, to any URL.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Reply {
        self.try_send(method, url, headers, body).await.unwrap()
    }

    /// The same; None when nobody answers.
    pub async fn try_send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Option<Reply> {
        let mut request = self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.ok()?;
        assert_ne!(status, 500, "{method}: {text}");
        Some(Reply { status, headers, text })
    }

    /// A request straight to the VoIPBin simulator, which must succeed.
    pub async fn on_voipbin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let account = voipbin::Account::numbered(1);
        let joint = if path.contains('?') { '&' } else { '?' };
        let key = account.access_key.expose_secret();
        let url = format!("{}/v1.0{path}{joint}accesskey={key}", self.voipbin.base_url());
        let reply = self.send(method, &url, &[], body.map(|body| body.to_string())).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }

    /// A campaign of the second customer on the VoIPBin simulator.
    pub async fn foreign_voipbin_campaign(&self) -> String {
        let key = voipbin::Account::numbered(2).access_key;
        let key = key.expose_secret();
        let url = format!("{}/v1.0/campaigns?accesskey={key}", self.voipbin.base_url());
        let body = json!({
            "name": "theirs", "detail": "d", "type": "call", "service_level": 100,
            "end_handle": "stop", "actions": [],
        });
        let reply = self.send("POST", &url, &[], Some(body.to_string())).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// A signed request straight to the CC-iSales simulator, which must succeed.
    pub async fn on_isales(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let reply = self.try_on_isales(method, path, body).await;
        assert_eq!(reply.code(), "0200000", "{path}: {}", reply.text);
        reply.json()
    }

    /// The same, which it may refuse.
    pub async fn try_on_isales(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let url = format!("{}/rest/isales/{path}", self.isales.base_url());
        let secret = SecretString::from(isales::SECRET_KEY);
        let keys = c2::Credentials::new(isales::ACCESS_KEY, &secret).unwrap();
        let body = body.map(|body| body.to_string());
        let value = signature(&keys, method, &url, body.as_deref().unwrap_or_default());
        self.send(method, &url, &[("authorization", value)], body).await
    }

    /// A stopped campaign with outplan and outdial on the VoIPBin simulator.
    pub async fn voipbin_campaign(&self, name: &str) -> VoipbinIds {
        let outplan = json!({
            "name": "plan", "detail": "d", "source": {"type": "tel", "target": "+862061000000"},
            "dial_timeout": 30_000, "try_interval": 60_000, "max_try_count_0": 2,
            "max_try_count_1": 1, "max_try_count_2": 0, "max_try_count_3": 0,
            "max_try_count_4": 0,
        });
        let outplan = self.on_voipbin("POST", "/outplans", Some(outplan)).await;
        let campaign = json!({
            "name": name, "detail": "d", "type": "call", "service_level": 100,
            "end_handle": "continue", "actions": [], "outplan_id": outplan["id"],
        });
        let campaign = self.on_voipbin("POST", "/campaigns", Some(campaign)).await;
        let outdial =
            json!({"campaign_id": campaign["id"], "name": "n", "detail": "d", "data": "x"});
        let outdial = self.on_voipbin("POST", "/outdials", Some(outdial)).await;
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let ids =
            VoipbinIds { campaign: id(&campaign), outplan: id(&outplan), outdial: id(&outdial) };
        let parts = json!({"outplan_id": ids.outplan, "outdial_id": ids.outdial});
        let path = format!("/campaigns/{}/resource_info", ids.campaign);
        self.on_voipbin("PUT", &path, Some(parts)).await;
        ids
    }

    /// A paused campaign on the CC-iSales simulator that may call all day; its number.
    pub async fn isales_campaign(&self, name: &str) -> i64 {
        let document = json!({
            "name": name, "description": "d", "deviceType": 2,
            "strBeginTime": "2026-01-01 00:00:00", "strEndTime": "2099-01-01 00:00:00",
            "callerNo": [{"accessCode": "02061000000", "priority": 3}], "maxAlertingTime": 20,
            "scheduleParam": {"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59"},
            "skillParam": {"skillId": 5, "skillName": "Voice Skill Queue", "outBoundType": 2,
                "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}},
        });
        let document = {
            let mut document = document;
            // Not before today's midnight, by the simulator's clock.
            let today = self.simulated.now().strftime("%Y-%m-%d 00:00:00").to_string();
            document["strBeginTime"] = json!(today);
            document
        };
        let path = format!("v2/openapi/campaigns/{VDN}");
        let made = self.on_isales("POST", &path, Some(document)).await;
        let number = made["returnObject"]["id"].as_i64().unwrap();
        let path = format!("v1/openapi/campaigns/{VDN}/{number}/pause");
        self.on_isales("PUT", &path, None).await;
        number
    }

    /// The UUID under which the facades show the campaign of this name.
    pub async fn uuid_of(&self, name: &str) -> String {
        self.row_of(name).await["id"].as_str().unwrap().to_owned()
    }

    /// The VoIPBin-shaped row of the campaign of this name.
    pub async fn row_of(&self, name: &str) -> Value {
        let page = self.vb_get("/campaigns").await;
        let rows = page["result"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    }

    /// The number under which the facades show the campaign of this name in a VDN.
    pub async fn number_of(&self, vdn: i64, name: &str) -> i64 {
        let encoded = name.replace(' ', "%20");
        let path = format!(
            "v1/openapi/campaigns/{vdn}?name={encoded}&status=0&deviceType=0&curPage=1&rowsPerPage=100"
        );
        let page = self.cc_ok("GET", &path, None).await;
        let rows = page["data"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        row["id"].as_i64().unwrap()
    }
}

impl Caller {
    pub fn key(self) -> &'static str {
        match self {
            Caller::Both => "vb_key_of_both",
            Caller::Seed => "vb_key_of_seed",
            Caller::Reader => "vb_key_of_reader",
            Caller::Other => "vb_key_of_other",
            Caller::Stranger => "vb_key_of_nobody",
        }
    }

    /// Access key and secret.
    pub fn keys(self) -> (&'static str, &'static str) {
        match self {
            Caller::Both => ("AKBOTH", "secret of both"),
            Caller::Seed => ("AKSEED", "secret of seed"),
            Caller::Reader => ("AKREADER", "secret of reader"),
            Caller::Other => ("AKOTHER", "secret of other"),
            Caller::Stranger => ("AKNOBODY", "secret of nobody"),
        }
    }

    fn config(self, name: &str, accounts: &[&str], scope: ClientScope) -> ClientConfig {
        let profile = match self {
            Caller::Seed => VoipbinProfile::Seed,
            _ => VoipbinProfile::Head,
        };
        let (access_key, secret_key) = self.keys();
        ClientConfig {
            name: name.to_owned(),
            accounts: accounts.iter().map(|slug| AccountSlug::new(slug).unwrap()).collect(),
            scope,
            create_on: None,
            voipbin: Some(VoipbinClient {
                access_key: SecretString::from(self.key()),
                profile,
                login: None,
                pass_through: Vec::new(),
            }),
            isales: Some(IsalesClient {
                release: IsalesRelease::R2025_11,
                access_key: access_key.to_owned(),
                secret_key: SecretString::from(secret_key),
            }),
        }
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The reason of a VoIPBin-shaped error, with the envelope checked.
    pub fn reason(&self) -> String {
        let error = &self.json()["error"];
        let id = self.headers["x-request-id"].to_str().unwrap();
        assert_eq!(error["request_id"], id, "{}", self.text);
        assert!(error["status"].is_string() && error["message"].is_string(), "{}", self.text);
        error["reason"].as_str().unwrap().to_owned()
    }

    /// The code of a CC-iSales-shaped answer, with both pairs checked.
    pub fn code(&self) -> String {
        let answer = self.json();
        assert_eq!(answer["resultCode"], answer["returnCode"], "{answer}");
        assert_eq!(answer["resultDesc"], answer["returnDesc"], "{answer}");
        answer["resultCode"].as_str().unwrap().to_owned()
    }
}

/// The `Authorization` of a request that is sent to `url` now.
pub fn signature(keys: &c2::Credentials, method: &str, url: &str, body: &str) -> String {
    let url = reqwest::Url::parse(url).unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let request = c2::Request {
        method,
        path: url.path(),
        raw_query: url.query(),
        headers: &Host(host),
        body: body.as_bytes(),
    };
    let options = c2::SignOptions {
        timestamp: Clock::real().wall(),
        millis: true,
        signed_headers: &c2::SignedHeaders::host_only(),
        empty_query_line: false,
    };
    c2::sign(keys, &request, &options).unwrap()
}

pub struct Host(pub String);

impl c2::Headers for Host {
    fn value(&self, lower_case_name: &str) -> Option<&[u8]> {
        (lower_case_name == "host").then_some(self.0.as_bytes())
    }
}

/// Asks until `check` is true; a hang fails.
pub async fn until(mut check: impl AsyncFnMut() -> bool) {
    let begun = Clock::real().now();
    while !check().await {
        let waited = Clock::real().now().duration_since(begun);
        assert!(waited < HUNG_AFTER, "it does not come: waited {waited:#}");
        pause().await;
    }
}

async fn pause() {
    Clock::real().sleep(Duration::from_millis(20)).await;
}
