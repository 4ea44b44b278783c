//! The gateway's own API: who may see and do what, and that its answers are as its description says.

use dialbridge::config::{Config, PlatformSettings};
use dialbridge::domain::ids::AccountSlug;
use dialbridge::domain::policy::DayPeriod;
use dialbridge::platforms::{Binding, Bindings};
use jiff::civil::time;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, VDN, VIRTUAL_VDN, until};

/// A queue that is bound to skill 5.
const QUEUE: &str = "99bf739a-932f-433c-b1bf-103d33d7e9bb";
/// An id that nobody has.
const UNKNOWN: &str = "183c0d5c-691e-42f3-af2b-9bffc2740f83";

/// One campaign on either home.
async fn app() -> TestApp {
    let app = TestApp::simulators(|_| {}).await;
    app.voipbin_campaign("made on voipbin").await;
    app.isales_campaign("made-on-isales").await;
    app.serve().await
}

/// The description, as a validator of answers takes it.
struct Described {
    document: Value,
}

impl Described {
    async fn read(app: &TestApp) -> Self {
        let url = format!("{}/api/v1/openapi.json", app.admin());
        let reply = app.send("GET", &url, &[], None).await;
        assert_eq!(reply.status, 200, "it needs no token");
        Self { document: reply.json() }
    }

    /// What it says of the answers of a path: the names of the schemas for 200 and for the rest.
    fn check(&self, method: &str, path: &str, reply: &Reply) {
        let operation = &self.document["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        let status = if reply.status == 200 { "200" } else { "default" };
        let content = &operation["responses"][status]["content"];
        let kind = reply.headers["content-type"].to_str().unwrap();
        let mut schema = content[kind]["schema"].clone();
        assert!(schema.is_object(), "{method} {path}: {kind} is not described for {status}");
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let body = reply.json();
        let wrong: Vec<String> =
            validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{method} {path}: {wrong:?} in {body}");
    }
}

#[tokio::test]
async fn an_operator_sees_campaigns_of_every_home_under_both_ids() {
    let app = app().await;
    let described = Described::read(&app).await;
    let list = app.api_as("operator", "GET", "/campaigns").await;
    described.check("GET", "/api/v1/campaigns", &list);
    let list = list.json();
    let row = |name: &str| {
        let rows = list["items"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {list}"))
    };
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let (vb, cc) = (row("made on voipbin"), row("made-on-isales"));
    assert_eq!((&vb["home"], &vb["account"]), (&json!("voipbin"), &json!("vb")));
    assert_eq!((&cc["home"], &cc["account"]), (&json!("isales"), &json!("cc")));
    assert_eq!(vb["id"], app.uuid_of("made on voipbin").await);
    assert_eq!(vb["vdn_id"], VIRTUAL_VDN);
    assert_eq!(vb["campaign_id"], app.number_of(VIRTUAL_VDN, "made on voipbin").await);
    assert_eq!(cc["id"], app.uuid_of("made-on-isales").await);
    assert_eq!(cc["vdn_id"], VDN);
    assert_eq!((&cc["state"], &cc["desired"]), (&json!("made"), &cc["actual"]));
    assert!(cc["stale_s"].as_u64().is_some_and(|s| s < 60), "{cc}");

    // Either id names it.
    for id in [cc["id"].as_str().unwrap().to_owned(), format!("{VDN}:{}", cc["campaign_id"])] {
        let detail = app.api_as("viewer", "GET", &format!("/campaigns/{id}")).await;
        described.check("GET", "/api/v1/campaigns/{id}", &detail);
        let detail = detail.json();
        assert_eq!(detail["id"], cc["id"]);
        let losses = detail["losses"].as_array().unwrap();
        assert!(losses.iter().any(|loss| loss["platform"] == "voipbin"), "{detail}");
        assert!(losses.iter().all(|loss| !loss["reason"].as_str().unwrap().is_empty()));
    }
    app.finish().await;
}

#[tokio::test]
async fn lists_have_filters_and_pages() {
    let app = app().await;
    let names = |page: &Value| -> Vec<String> {
        let rows = page["items"].as_array().unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&app.api("/campaigns?name=ON-ISALES").await), ["made-on-isales"]);
    assert_eq!(names(&app.api("/campaigns?account=vb").await), ["made on voipbin"]);
    assert_eq!(names(&app.api("/campaigns?status=ended").await), [""; 0]);
    let mut met = Vec::new();
    let mut path = "/campaigns?limit=1".to_owned();
    loop {
        let page = app.api(&path).await;
        met.extend(names(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/campaigns?limit=1&cursor={cursor}");
    }
    met.sort();
    assert_eq!(met, ["made on voipbin", "made-on-isales"], "every row once");
    app.finish().await;
}

#[tokio::test]
async fn starts_and_stops_are_journalled_with_the_operators_name() {
    let app = app().await;
    let described = Described::read(&app).await;
    for name in ["made on voipbin", "made-on-isales"] {
        let id = app.uuid_of(name).await;
        let path = format!("/campaigns/{id}");
        let started = app.api_as("operator", "POST", &format!("{path}/start")).await;
        if name == "made on voipbin" {
            // It has no contacts, which is nobody's business here: it starts.
            assert_eq!(started.status, 200, "{}", started.text);
        }
        described.check("POST", "/api/v1/campaigns/{id}/start", &started);
        assert_eq!(started.json()["actual"], "running", "{}", started.text);
        let stopped = app.api_as("operator", "POST", &format!("{path}/stop")).await;
        described.check("POST", "/api/v1/campaigns/{id}/stop", &stopped);
        assert_ne!(stopped.json()["actual"], "running");
        let history = app.api_as("viewer", "GET", &format!("{path}/history")).await;
        described.check("GET", "/api/v1/campaigns/{id}/history", &history);
        let history = history.json();
        let entries = history["items"].as_array().unwrap();
        let start = entries.iter().find(|entry| entry["action"] == "campaign-start").unwrap();
        assert_eq!(start["actor"], "operator");
        let stop = entries.iter().rev().find(|entry| entry["action"] == "campaign-stop").unwrap();
        assert_eq!((&stop["before"], &stop["actor"]), (&json!("running"), &json!("operator")));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_wish_that_the_home_refuses_is_taken_back() {
    let app = app().await;
    let id = app.uuid_of("made-on-isales").await;
    let number = app.number_of(VDN, "made-on-isales").await;
    // Gone from its home; the directory does not know yet.
    app.on_isales("DELETE", &format!("v1/openapi/campaigns/{VDN}/{number}"), None).await;
    let refused = app.api_as("operator", "POST", &format!("/campaigns/{id}/start")).await;
    assert_eq!((refused.status, &refused.json()["code"]), (404, &json!("not_found")));
    let row = app.api(&format!("/campaigns/{id}")).await;
    assert_eq!(row["desired"], "stopped", "{row}");
    let history = app.api(&format!("/campaigns/{id}/history")).await;
    let last = history["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["before"], &last["after"]), (&json!("running"), &json!("stopped")));
    assert!(last["reason"].as_str().unwrap().starts_with("refused"), "{last}");
    app.finish().await;
}

#[tokio::test]
async fn tokens_scopes_and_accounts_are_kept() {
    let app = app().await;
    let described = Described::read(&app).await;
    let id = app.uuid_of("made-on-isales").await;
    let url = format!("{}/api/v1/campaigns", app.admin());
    let odd = [
        vec![],
        vec![("authorization", "Bearer".to_owned())],
        vec![("authorization", "Bearer ".to_owned())],
        vec![("authorization", format!("Basic {:.<24}", "operator"))],
        vec![("authorization", format!("Bearer {:.<23}", "operator"))],
        vec![("authorization", format!("Bearer {:.<24}", "nobody"))],
        vec![("authorization", format!("Bearer {:.<24}", "operator")); 2],
    ];
    for headers in odd {
        let reply = app.send("GET", &url, &headers, None).await;
        described.check("GET", "/api/v1/campaigns", &reply);
        assert_eq!(reply.status, 401, "{headers:?}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
    let query = format!("{url}?access_token={:.<24}", "operator");
    assert_eq!(app.send("GET", &query, &[], None).await.status, 401, "queries are logged");

    let writes = app.isales.journal.writes().len();
    let start = app.api_as("viewer", "POST", &format!("/campaigns/{id}/start")).await;
    assert_eq!((start.status, &start.json()["code"]), (403, &json!("scope")));
    // Another's campaign is none.
    for (method, below) in [("GET", ""), ("GET", "/history"), ("POST", "/start"), ("POST", "/stop")]
    {
        let reply = app.api_as("other", method, &format!("/campaigns/{id}{below}")).await;
        described.check(method, &format!("/api/v1/campaigns/{{id}}{below}"), &reply);
        assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("not_found")));
    }
    let list = app.api_as("other", "GET", "/campaigns").await.json();
    assert_eq!(list["items"], json!([]));
    assert_eq!(app.api_as("other", "GET", "/campaigns?account=cc").await.status, 400);
    assert_eq!(app.isales.journal.writes().len(), writes);
    app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_shown_instead() {
    let app = app().await;
    let long = "9".repeat(4000);
    let wrong = [
        ("/campaigns?limit=0", 400),
        ("/campaigns?limit=201", 400),
        ("/campaigns?limit=-1", 400),
        ("/campaigns?limit=many", 400),
        ("/campaigns?cursor=-5", 400),
        ("/campaigns?cursor=abc", 400),
        ("/campaigns?cursor=9223372036854775807", 400),
        ("/campaigns?status=asleep", 400),
        ("/campaigns?account=nobody", 400),
        ("/campaigns?account=%00", 400),
        ("/campaigns?colour=red", 400),
        ("/campaigns?name=a&name=b", 400),
        ("/campaigns/1", 400),
        ("/campaigns/0:1", 400),
        ("/campaigns/10000:1", 400),
        ("/campaigns/11:0", 400),
        ("/campaigns/11:2147483648", 400),
        ("/campaigns/..%2Fjobs", 400),
        ("/campaigns/11:2147483647", 404),
        ("/campaigns/00000000-0000-0000-0000-000000000000", 404),
        ("/jobs?state=asleep", 400),
        ("/jobs/1", 400),
        ("/nothing", 404),
        ("/", 404),
    ];
    for (path, status) in wrong {
        let reply = app.api_as("operator", "GET", path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
        assert_eq!(reply.headers["content-type"], "application/problem+json", "{path}");
        assert_eq!(reply.json()["status"], status, "{path}");
    }
    for path in [format!("/campaigns/{UNKNOWN}"), format!("/jobs/{UNKNOWN}")] {
        assert_eq!(app.api_as("operator", "GET", &path).await.status, 404, "{path}");
    }
    let reply = app.api_as("operator", "GET", &format!("/campaigns?cursor={long}")).await;
    assert_eq!(reply.status, 400);
    for method in ["DELETE", "PUT", "PATCH", "POST"] {
        assert_eq!(app.api_as("operator", method, "/campaigns").await.status, 404, "{method}");
    }
    app.finish().await;
}

#[tokio::test]
async fn accounts_say_how_fresh_they_are_and_what_is_possible() {
    let app = app().await;
    let described = Described::read(&app).await;
    let accounts = app.api_as("viewer", "GET", "/accounts").await;
    described.check("GET", "/api/v1/accounts", &accounts);
    let accounts = accounts.json();
    let slugs: Vec<_> =
        accounts["items"].as_array().unwrap().iter().map(|a| &a["account"]).collect();
    assert_eq!(slugs, ["cc", "vb"]);
    for account in accounts["items"].as_array().unwrap() {
        assert!(account["stale_s"].as_u64().is_some_and(|s| s < 60), "{account}");
        assert_eq!(account["error"], Value::Null);
    }
    let capabilities = app.api_as("viewer", "GET", "/capabilities").await;
    described.check("GET", "/api/v1/capabilities", &capabilities);
    let capabilities = capabilities.json();
    assert_eq!(capabilities["accounts"].as_array().unwrap().len(), 2);
    let routes = capabilities["operations"].as_array().unwrap();
    for route in ["native", "translated", "emulated", "unsupported"] {
        assert!(routes.iter().any(|row| row["route"] == route), "{route}");
    }
    app.finish().await;
}

/// The client creates on the CC-iSales account, whose campaigns may call all day.
fn drafts(config: &mut Config) {
    config.clients[0].create_on = Some(AccountSlug::new("cc").unwrap());
    let skill = Binding { voipbin: QUEUE.to_owned(), isales: "5".to_owned() };
    config.bindings = Bindings { agent_groups: vec![skill], scripts: Vec::new() };
    for account in &mut config.accounts {
        if let PlatformSettings::Isales { creation, .. } = &mut account.platform {
            creation.span_days = Some(30);
            creation.workday = vec![DayPeriod { begin: time(0, 0, 0, 0), end: time(23, 59, 0, 0) }];
        }
    }
}

#[tokio::test]
async fn a_draft_is_shown_and_its_job_can_be_followed() {
    let app = TestApp::simulators(drafts).await.serve().await;
    let described = Described::read(&app).await;
    let made = |method: &'static str, path: String, body: Value| {
        let app = &app;
        async move {
            let reply = app.vb(method, &path, Some(body)).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text);
            reply.json()
        }
    };
    let source = json!({"type": "tel", "target": "+862061000000"});
    let outplan = json!({"name": "rules", "source": source, "dial_timeout": 30000,
        "try_interval": 600_000, "max_try_count_0": 2});
    let outplan = made("POST", "/outplans".to_owned(), outplan).await;
    let campaign = json!({"name": "a-draft", "type": "call", "service_level": 100,
        "end_handle": "stop", "outplan_id": outplan["id"], "queue_id": QUEUE});
    let campaign = made("POST", "/campaigns".to_owned(), campaign).await;
    let id = campaign["id"].as_str().unwrap().to_owned();

    let draft = app.api_as("operator", "GET", &format!("/campaigns/{id}")).await;
    described.check("GET", "/api/v1/campaigns/{id}", &draft);
    let draft = draft.json();
    assert_eq!((&draft["state"], &draft["vdn_id"]), (&json!("draft"), &Value::Null));
    assert!(draft["losses_unknown"].is_string());
    assert_eq!(app.api("/campaigns").await["items"][0]["id"], draft["id"]);
    let start = app.api_as("operator", "POST", &format!("/campaigns/{id}/start")).await;
    assert_eq!((start.status, &start.json()["code"]), (409, &json!("state")));

    let run =
        app.vb("PUT", &format!("/campaigns/{id}/status"), Some(json!({"status": "run"}))).await;
    assert!([200, 503].contains(&run.status), "{}", run.text);
    until(async || app.api("/jobs?state=done").await["items"] != json!([])).await;
    let jobs = app.api_as("operator", "GET", "/jobs").await;
    described.check("GET", "/api/v1/jobs", &jobs);
    let job = jobs.json()["items"][0].clone();
    assert_eq!((&job["kind"], &job["subject"]), (&json!("campaign.create"), &draft["id"]));
    let job_path = format!("/jobs/{}", job["id"].as_str().unwrap());
    let detail = app.api_as("operator", "GET", &job_path).await;
    described.check("GET", "/api/v1/jobs/{id}", &detail);
    let detail = detail.json();
    let steps = detail["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["name"] == "create"), "{detail}");
    assert!(steps.iter().all(|step| step["ended_at"].is_string()), "{detail}");
    assert_eq!(app.api_as("other", "GET", &job_path).await.status, 404);
    assert_eq!(app.api_as("other", "GET", "/jobs").await.json()["items"], json!([]));
    let bound = app.api(&format!("/campaigns/{id}")).await;
    assert_eq!((&bound["state"], &bound["vdn_id"]), (&json!("made"), &json!(VDN)));
    app.finish().await;
}

#[tokio::test]
async fn the_description_is_readable_in_a_browser_and_lets_in_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    let moved = app.send("GET", &format!("{}/docs/", app.admin()), &[], None).await;
    assert_eq!(moved.status, 200);
    let policy = moved.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    assert!(!moved.text.contains("<script>"), "no script in the page itself");
    for file in ["swagger-ui-bundle.js", "swagger-ui.css", "swagger-initializer.js"] {
        let reply = app.send("GET", &format!("{}/docs/{file}", app.admin()), &[], None).await;
        assert_eq!((reply.status, reply.text.is_empty()), (200, false), "{file}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    }
    for file in ["nothing.js", "..%2fapi%2fv1%2fcampaigns", "%00"] {
        let reply = app.send("GET", &format!("{}/docs/{file}", app.admin()), &[], None).await;
        assert_eq!(reply.status, 404, "{file}");
    }
    // Every path that answers is described, and no other is.
    let described = Described::read(&app).await;
    let paths: Vec<&String> = described.document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths.len(), 31, "{paths:?}");
    for path in paths {
        let methods = described.document["paths"][path].as_object().unwrap();
        let method = methods.keys().next().unwrap().to_uppercase();
        let (path, method) = (path.trim_start_matches("/api/v1"), method.as_str());
        let path =
            path.replace("{id}", UNKNOWN).replace("{name}", "nobody").replace("{number}", "1");
        let reply = app.api_as("operator", method, &path).await;
        // An order needs a body.
        let is_order = method == "POST" && reply.text.contains("the body");
        assert!(
            is_order || reply.status == 200 || reply.text.contains("not_found"),
            "{path}: {}",
            reply.text
        );
        assert!(!reply.text.contains("the path"), "{path}: {}", reply.text);
    }
    app.finish().await;
}
