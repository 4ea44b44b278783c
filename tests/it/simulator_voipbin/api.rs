//! Objects, pages, errors and who may do what (VB 1 to 7).

use dialbridge::simulators::voipbin::{Options, Profile};
use reqwest::Method;
use serde_json::{Value, json};

use super::{KEY, OTHER_KEY, Sim, options, uuid};

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// The bytes of a fixture without its indentation.
fn fixture(name: &str) -> String {
    let path = format!("{}/fixtures/voipbin/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str::<Value>(&text).unwrap().to_string()
}

#[tokio::test]
async fn objects_have_the_bytes_of_the_fixtures_in_both_profiles() {
    const CUSTOMER: &str = "5e4a0680-804e-11ec-98a7-2fea5968d85b";
    for (profile, name) in [(Profile::Head, "head"), (Profile::Seed, "seed")] {
        let mut options = Options { profile, ..options() };
        options.accounts[0].customer_id = CUSTOMER.parse().unwrap();
        let sim = Sim::start(options).await;
        // Seeded from the other profile's text, so that nothing is just handed back.
        let other = if profile == Profile::Head { "seed" } else { "head" };
        let read = |file: String| serde_json::from_str::<Value>(&fixture(&file)).unwrap();
        sim.seed(json!({
            "campaigns": [read(format!("campaign-get.{other}"))],
            "campaigncalls": [read(format!("campaigncall-get.{other}"))],
            "outplans": [read("outplan-get.head".into())],
            "outdials": [read("outdial-get.head".into())],
            "targets": [read("target-get.head".into())],
        }))
        .await;
        let outdial = "/outdials/40bea034-1d17-474d-a5de-da00d0861c69";
        let mut cases = vec![
            ("/campaigns/183c0d5c-691e-42f3-af2b-9bffc2740f83".to_owned(), "campaign-get"),
            ("/campaigncalls/56347901-5bb9-422d-add5-5a2ca47fa737".to_owned(), "campaigncall-get"),
        ];
        if profile == Profile::Head {
            let plan = "/outplans/d5fb7357-7ddb-4f2d-87b5-8ccbfd6c039e".to_owned();
            let target = format!("{outdial}/targets/f50b169d-ce02-4bc9-a6e7-bb632c71e450");
            cases.extend([
                (plan, "outplan-get"),
                (outdial.to_owned(), "outdial-get"),
                (target, "target-get"),
            ]);
        }
        for (path, file) in cases {
            let reply = sim.ask(Method::GET, &path, None).await;
            assert_eq!(reply.text, fixture(&format!("{file}.{name}")), "{path}");
        }
    }
}

#[tokio::test]
async fn pages_are_cut_strictly_and_end_with_an_empty_one() {
    let sim = Sim::start(options()).await;
    for number in 0..5 {
        sim.post("/outplans", json!({"name": format!("plan {number}")})).await;
    }
    let names = |page: &Value| -> Vec<String> {
        let rows = page["result"].as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = sim.get("/outplans?page_size=3").await;
    assert_eq!(names(&first), ["plan 4", "plan 3", "plan 2"]);
    let token = first["next_page_token"].as_str().unwrap();
    assert_eq!(token, "2026-03-01T00:00:00.000002Z", "six decimals");
    let second = sim.get(&format!("/outplans?page_size=3&page_token={token}")).await;
    assert_eq!(names(&second), ["plan 1", "plan 0"]);
    let token = second["next_page_token"].as_str().unwrap();
    assert!(!token.is_empty(), "a partial last page still carries a token");
    let third = sim.ask(Method::GET, &format!("/outplans?page_token={token}"), None).await;
    assert_eq!(third.text, r#"{"result":[],"next_page_token":""}"#);
    // Either timestamp family is a token.
    let old = sim.get("/outplans?page_token=2026-03-01%2000:00:00.000002").await;
    assert_eq!(names(&old), ["plan 1", "plan 0"]);
    for odd in ["0", "-1", "101", "100"] {
        let page = sim.get(&format!("/outplans?page_size={odd}")).await;
        assert_eq!(names(&page).len(), 5, "page_size={odd}");
    }
    let wrong = sim.ask(Method::GET, "/outplans?page_size=ten", None).await;
    assert_eq!((wrong.status, wrong.reason().as_str()), (400, "INVALID_REQUEST_PARAMETER"));
}

#[tokio::test]
async fn rows_of_one_microsecond_are_lost_at_a_page_border() {
    let sim = Sim::start(options()).await;
    let plans: Vec<Value> = (1..=3)
        .map(|number| {
            json!({"id": format!("00000000-0000-4000-8000-00000000000{number}"),
                "name": number.to_string(), "tm_create": "2022-04-28 02:16:39.712142"})
        })
        .collect();
    sim.seed(json!({ "outplans": plans })).await;
    let first = sim.get("/outplans?page_size=2").await;
    assert_eq!(first["result"][0]["name"], "3", "ties by id downwards");
    let token = first["next_page_token"].as_str().unwrap();
    let second = sim.get(&format!("/outplans?page_token={token}")).await;
    assert_eq!(second["result"], json!([]));
}

#[tokio::test]
async fn the_seed_profile_has_its_own_sizes_errors_and_times() {
    let sim = Sim::start(Options { profile: Profile::Seed, ..options() }).await;
    for number in 0..12 {
        sim.post("/outplans", json!({"name": number.to_string()})).await;
    }
    let page = sim.get("/outplans").await;
    assert_eq!(page["result"].as_array().unwrap().len(), 10);
    assert_eq!(page["next_page_token"], "2026-03-01 00:00:00.000002");
    assert_eq!(page["result"][0]["tm_update"], "9999-01-01 00:00:00.000000");
    let unknown = sim.ask(Method::GET, &format!("/campaigns/{}", uuid(9)), None).await;
    assert_eq!((unknown.status, unknown.text.as_str()), (400, ""));
    let nobody = sim.raw(Method::GET, "/v1.0/campaigns", None).await;
    assert_eq!((nobody.status, nobody.text.as_str()), (401, ""));
    // Lists hid deleted rows; reading by id did not.
    let id = page["result"][0]["id"].as_str().unwrap();
    let deleted = sim.ask(Method::DELETE, &format!("/outplans/{id}"), None).await;
    assert_eq!(deleted.json()["tm_delete"], "2026-03-01 00:00:00.000000");
    assert_ne!(sim.get("/outplans").await["result"][0]["id"], *id);
}

#[tokio::test]
async fn checks_come_in_the_order_credential_id_body_object_owner() {
    let sim = Sim::start(options()).await;
    let own = sim.post("/campaigns", json!({"name": "n"})).await["id"].as_str().unwrap().to_owned();
    let cases = [
        // method, path, body, status, reason
        ("PUT", format!("/v1.0/campaigns/x?accesskey={KEY}x"), "", 401, "INVALID_CREDENTIALS"),
        ("PUT", "/v1.0/campaigns/x".into(), "", 401, "AUTHENTICATION_REQUIRED"),
        ("PUT", format!("/v1.0/campaigns/x?accesskey={KEY}"), "", 400, "INVALID_ID"),
        ("PUT", format!("/v1.0/campaigns/{NIL}?accesskey={KEY}"), "{}", 400, "INVALID_ID"),
        (
            "PUT",
            format!("/v1.0/campaigns/{}?accesskey={KEY}", uuid(7)),
            "{",
            400,
            "INVALID_JSON_BODY",
        ),
        (
            "PUT",
            format!("/v1.0/campaigns/{}?accesskey={KEY}", uuid(7)),
            r#"{"name":{}}"#,
            400,
            "INVALID_JSON_BODY",
        ),
        (
            "PUT",
            format!("/v1.0/campaigns/{}?accesskey={KEY}", uuid(7)),
            "{}",
            404,
            "CAMPAIGN_NOT_FOUND",
        ),
        (
            "PUT",
            format!("/v1.0/campaigns/{own}?accesskey={OTHER_KEY}"),
            "{}",
            403,
            "PERMISSION_DENIED",
        ),
        (
            "GET",
            format!("/v1.0/campaigns/{own}?accesskey={OTHER_KEY}"),
            "",
            403,
            "PERMISSION_DENIED",
        ),
        ("PATCH", format!("/v1.0/campaigns/{own}?accesskey={KEY}"), "", 404, "ROUTE_NOT_FOUND"),
        ("GET", format!("/v1.0/nothing?accesskey={KEY}"), "", 404, "ROUTE_NOT_FOUND"),
        // The token comes first and is not made up for by a good key.
        (
            "GET",
            format!("/v1.0/campaigns?token=eyJx.y.z&accesskey={KEY}"),
            "",
            401,
            "INVALID_CREDENTIALS",
        ),
        ("GET", format!("/v1.0/me?accesskey={KEY}"), "", 403, "AGENT_AUTH_REQUIRED"),
    ];
    for (method, path, body, status, reason) in cases {
        let reply = sim.raw(method.parse().unwrap(), &path, Some(body.into())).await;
        assert_eq!((reply.status, reply.reason().as_str()), (status, reason), "{method} {path}");
        assert_eq!(reply.headers["x-request-id"], "req_of-the-client");
    }
    let reply = sim.ask(Method::GET, &format!("/campaigns/{}", uuid(7)), None).await;
    assert_eq!(reply.text, fixture("error.not_found.head"));
}

#[tokio::test]
async fn a_login_gives_a_token_and_a_direct_one_is_refused() {
    let sim = Sim::start(options()).await;
    let wrong = json!({"username": "admin1@localhost", "password": "guess"}).to_string();
    let reply = sim.raw(Method::POST, "/auth/login", Some(wrong)).await;
    assert_eq!((reply.status, reply.text.as_str()), (400, ""));
    let right = json!({"username": "admin1@localhost", "password": "simulated-password-1"});
    let reply = sim.raw(Method::POST, "/auth/login", Some(right.to_string())).await;
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    let me = sim.raw(Method::GET, &format!("/v1.0/me?token={token}"), None).await;
    assert_eq!((me.status, &me.json()["username"]), (200, &json!("admin1@localhost")));
    let boot = json!({"direct_hash": "direct_simulated_1"}).to_string();
    let direct = sim.raw(Method::POST, "/auth/boot", Some(boot)).await.json();
    let path = format!("/v1.0/campaigns?token={}", direct["token"].as_str().unwrap());
    let reply = sim.raw(Method::GET, &path, None).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "DIRECT_ACCESS_NOT_SUPPORTED"));
    // A week later the token has expired.
    sim.at(8.0 * 86400.0).await;
    let me = sim.raw(Method::GET, &format!("/v1.0/me?token={token}"), None).await;
    assert_eq!(me.status, 401);
}
