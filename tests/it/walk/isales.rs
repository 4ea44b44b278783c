//! The walk over the CC-iSales-shaped facade.

use dialbridge::http::endpoints::Endpoint;
use dialbridge::http::isales_api::ENDPOINTS;
use dialbridge::platforms::PlatformKind;
use dialbridge::simulators::voipbin::Account;
use serde_json::{Value, json};

use super::{Ask, Step, only_on};
use crate::conformance;
use crate::support::{TestApp, VDN, VIRTUAL_VDN, until};

const RUNNING: i64 = 2;
const PAUSED: i64 = 3;

struct Walk {
    app: TestApp,
    home: PlatformKind,
    vdn: i64,
    /// A campaign that the home had before anybody created one here.
    campaign: i64,
    uuid: String,
    /// One that is going to be deleted.
    doomed: i64,
    /// A contact of the campaign that was called, and the call.
    data: String,
    call: String,
    made: u32,
}

#[tokio::test]
async fn every_endpoint_on_voipbin() {
    Box::pin(walk(PlatformKind::Voipbin)).await;
}

#[tokio::test]
async fn every_endpoint_on_isales() {
    Box::pin(walk(PlatformKind::Isales)).await;
}

async fn walk(home: PlatformKind) {
    let mut walk = Box::pin(Walk::begin(home)).await;
    for endpoint in ENDPOINTS {
        let ask = walk.ask(endpoint).await;
        let step = Step::begin(&walk.app, (PlatformKind::Isales, home), endpoint);
        let reply = walk.app.cc(endpoint.method, &ask.path, ask.body.clone()).await;
        step.check(&ask, reply.code() == "0200000", &reply);
        conformance::check_isales(endpoint.path, &reply);
    }
    walk.app.finish().await;
}

impl Walk {
    /// A campaign that has called somebody and is paused.
    async fn begin(home: PlatformKind) -> Self {
        let app = TestApp::simulators(only_on(home)).await;
        for name in ["walked", "doomed"] {
            match home {
                PlatformKind::Voipbin => answered_by_agents(&app, name).await,
                PlatformKind::Isales => drop(app.isales_campaign(name).await),
            }
        }
        let app = app.serve().await;
        let vdn = match home {
            PlatformKind::Voipbin => VIRTUAL_VDN,
            PlatformKind::Isales => VDN,
        };
        let campaign = app.number_of(vdn, "walked").await;
        let doomed = app.number_of(vdn, "doomed").await;
        let uuid = app.uuid_of("walked").await;
        let (data, call) = (String::new(), String::new());
        let mut walk = Self { app, home, vdn, campaign, uuid, doomed, data, call, made: 0 };
        walk.data = walk.contact().await.1;
        walk.steer(RUNNING).await;
        let results = walk.at("v1", "/callresult/{campaign}");
        until(async || {
            let found = walk.app.cc_ok("POST", &results, Some(any_result())).await;
            let call = found["data"][0]["callId"].as_str().unwrap_or_default();
            call.clone_into(&mut walk.call);
            !walk.call.is_empty()
        })
        .await;
        walk
    }

    /// A path below the VDN.
    fn at(&self, version: &str, rest: &str) -> String {
        let rest = rest.replace("{campaign}", &self.campaign.to_string());
        format!("{version}/openapi/campaigns/{}{rest}", self.vdn)
    }

    async fn steer(&self, status: i64) {
        let now = async || {
            let shown = self.app.cc_ok("GET", &self.at("v1", "/{campaign}"), None).await;
            shown["returnObject"]["status"].as_i64().unwrap()
        };
        if now().await != status {
            let verb = if status == RUNNING { "resume" } else { "pause" };
            self.app.cc_ok("PUT", &self.at("v1", &format!("/{{campaign}}/{verb}")), None).await;
        }
        until(async || now().await == status).await;
        if self.home == PlatformKind::Voipbin && status == PAUSED {
            // Calls in progress run out first, which this facade has no word for.
            let path = format!("/campaigns/{}", self.uuid);
            until(async || self.app.vb_get(&path).await["status"] == "stop").await;
        }
    }

    fn record(&mut self, version: &str) -> (String, Value) {
        self.made += 1;
        let session = format!("session-{}", self.made);
        let number = format!("138001380{:02}", self.made);
        let called = match version {
            "v1" => json!(number),
            _ => json!([{ "calledNo": number }]),
        };
        let record = json!({"sessionId": session, "called": called});
        (session, json!({ "callDataList": [record] }))
    }

    /// Adds a contact; its session and its data id.
    async fn contact(&mut self) -> (String, String) {
        let (session, records) = self.record("v2");
        let path = self.at("v2", "/calldata/{campaign}");
        let added = self.app.cc_ok("POST", &path, Some(records)).await;
        let data = &added["returnObject"]["dataIdList"][0]["dataId"];
        (session, data.as_str().unwrap().to_owned())
    }

    fn document(&mut self, version: &str) -> Value {
        self.made += 1;
        let callers = match version {
            "v1" => json!("02061000000"),
            _ => json!([{"accessCode": "02061000000", "priority": 3}]),
        };
        let today = self.app.simulated.now().strftime("%Y-%m-%d 00:00:00").to_string();
        json!({
            "name": format!("walked {}", self.made), "description": "d", "deviceType": 2,
            "strBeginTime": today, "strEndTime": "2099-01-01 00:00:00", "maxAlertingTime": 20,
            "callerNo": callers,
            "scheduleParam": {"workdayBeginTime1": "00:00", "workdayEndTime1": "23:59"},
            "skillParam": {"skillId": 5, "skillName": "Voice Skill Queue", "outBoundType": 2,
                "predictParam": {"predictMethod": 5, "offhookPredictParam": {"offHookRate": 100}}},
        })
    }

    /// The campaign with another name; who answers its calls cannot change.
    async fn edited(&mut self, version: &str) -> Value {
        let shown = self.app.cc_ok("GET", &self.at("v1", "/{campaign}"), None).await;
        let mut document = self.document(version);
        for field in ["deviceType", "ivrParam", "skillParam"] {
            document[field] = shown["returnObject"][field].clone();
        }
        document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        document
    }

    /// The request for an endpoint, with what it needs made before.
    async fn ask(&mut self, endpoint: &Endpoint) -> Ask {
        let (version, rest) = endpoint.path.strip_prefix("/rest/isales/").unwrap().split_at(2);
        let rest = rest.strip_prefix("/openapi/campaigns/{vdn}").unwrap();
        let status = if rest.ends_with("}/pause") && !rest.starts_with("/callbatch") {
            RUNNING
        } else {
            PAUSED
        };
        self.steer(status).await;
        let first = rest.split('/').nth(1).unwrap_or_default();
        let (rest, body) = match (endpoint.method, first) {
            ("POST", "") => (String::new(), Some(self.document(version))),
            ("GET", "") => ("?status=0&deviceType=0&curPage=1&rowsPerPage=10".to_owned(), None),
            ("DELETE", "{campaign}") => (format!("/{}", self.doomed), Some(json!({}))),
            ("PUT", "{campaign}") if rest.ends_with('}') => {
                (rest.to_owned(), Some(self.edited(version).await))
            }
            (_, "retryPolicy") => (rest.to_owned(), policy(endpoint.method)),
            (_, "callerNo") => {
                let number = json!([{"accessCode": "02061000009", "priority": 1}]);
                (rest.to_owned(), Some(json!({ "callerNo": number })))
            }
            (_, "calldata") => self.about_contacts(endpoint.method, version, rest).await,
            (_, "statistics") => (format!("{rest}?campaignId={}", self.campaign), None),
            (_, "callresult") => (rest.to_owned(), Some(any_result())),
            (_, "callresultdetail") => (rest.replace("{call}", &self.call), None),
            (_, "holiday") => self.about_special_dates(endpoint.method, rest).await,
            (_, "callbatch") => self.about_batches(rest).await,
            _ => self.about_definitions(endpoint.method, rest).await,
        };
        let path = self.at(version, &rest);
        let writes = endpoint.operation.is_write() && endpoint.method != "GET";
        Ask { path, body, writes }
    }

    async fn about_contacts(
        &mut self,
        method: &str,
        version: &str,
        rest: &str,
    ) -> (String, Option<Value>) {
        if rest.ends_with("/delete") {
            let session = self.contact().await.0;
            return (rest.to_owned(), Some(json!({ "sessionId": session })));
        }
        match method {
            "POST" => (rest.to_owned(), Some(self.record(version).1)),
            _ => (rest.replace("{data}", &self.data), None),
        }
    }

    /// Only CC-iSales has them; elsewhere any id does.
    async fn about_special_dates(&mut self, method: &str, rest: &str) -> (String, Option<Value>) {
        let path = self.at("v1", "/holiday/{campaign}");
        self.made += 1;
        let mut date = json!({"name": format!("rest {}", self.made), "type": 1, "week": "7"});
        let mut id = json!(1);
        if self.home == PlatformKind::Isales && (method == "PUT" || rest.ends_with("{date}")) {
            self.app.cc_ok("POST", &path, Some(date.clone())).await;
            let listed = self.app.cc_ok("GET", &path, None).await;
            id = listed["data"].as_array().unwrap().last().unwrap()["id"].clone();
        }
        if method == "PUT" {
            date["id"] = id.clone();
        }
        let body = matches!(method, "POST" | "PUT").then_some(date);
        (rest.replace("{date}", &id.to_string()), body)
    }

    async fn about_batches(&mut self, rest: &str) -> (String, Option<Value>) {
        self.made += 1;
        let name = format!("batch {}", self.made);
        let body = match rest.rsplit('/').next().unwrap() {
            "create" => json!({"name": name, "status": 2}),
            "list" => json!({"offset": 0, "limit": 10}),
            verb => {
                let mut id = json!("1");
                if self.home == PlatformKind::Isales {
                    let status = if verb == "pause" { 1 } else { 2 };
                    let path = self.at("v1", "/callbatch/{campaign}/create");
                    let batch = json!({"name": name, "status": status});
                    let made = self.app.cc_ok("POST", &path, Some(batch)).await;
                    id = made["returnObject"]["id"].clone();
                }
                json!({ "id": id })
            }
        };
        (rest.to_owned(), Some(body))
    }

    /// Result codes, business results, numbers that are not called.
    async fn about_definitions(&self, method: &str, rest: &str) -> (String, Option<Value>) {
        const PAGE: &str = "?pageSize=10&pageNum=1";
        let blocked = json!({"blocklist": ["13900000001"]});
        let body = match rest {
            "/{def}/queryObsResultDetail" => {
                let path = self.at("v1", &format!("/queryOBSResults{PAGE}"));
                let listed = self.app.cc_ok("GET", &path, None).await;
                let def = &listed["data"][0]["defId"];
                let def = def.as_str().map_or_else(|| def.to_string(), str::to_owned);
                return (rest.replace("{def}", &def), None);
            }
            "/createObResult" => json!({"resultCode": "OB5", "displayResult": "later"}),
            "/addBusinessResult" => json!({"name": "interested", "code": "001"}),
            "/callBusiResult/{data}" => {
                return (rest.replace("{data}", &self.data), Some(json!({"busiResult": "001"})));
            }
            "/blocklist/add" => blocked,
            "/blocklist/delete" => json!({"blocklistNo": "13900000001"}),
            "/blocklist/query" => json!({"offset": 0, "limit": 10}),
            _ if rest.starts_with("/query") => return (format!("{rest}{PAGE}"), None),
            _ => {
                assert!(!rest.contains("/query"), "{rest}");
                return (rest.to_owned(), (method == "POST").then(|| json!({})));
            }
        };
        (rest.to_owned(), Some(body))
    }
}

async fn answered_by_agents(app: &TestApp, name: &str) {
    let ids = app.voipbin_campaign(name).await;
    let parts = json!({"outplan_id": ids.outplan, "outdial_id": ids.outdial,
        "queue_id": Account::numbered(1).queue_id.to_string()});
    app.on_voipbin("PUT", &format!("/campaigns/{}/resource_info", ids.campaign), Some(parts)).await;
}

fn any_result() -> Value {
    json!({"showDetail": 0, "pageSize": 100, "pageNum": 1})
}

fn policy(method: &str) -> Option<Value> {
    let rule = "[{'dataType':'SI','type':0,'policy':{'retryDay':1,'retryTimes':3}}]";
    (method == "POST").then(|| json!({"policyType": 0, "policyJson": rule}))
}
