//! Every answer has the shape that the reference gives it: `fixtures/schemas`, written from the
//! reference by hand and used by nothing else.

use dialbridge::http::endpoints::Endpoint;
use serde_json::{Value, json};

use crate::support::{Caller, Reply};

const HEAD: &str = include_str!("../../fixtures/schemas/voipbin-head.json");
const SEED: &str = include_str!("../../fixtures/schemas/voipbin-seed.json");
const ENVELOPE: &str = include_str!("../../fixtures/schemas/isales-envelope.json");

/// What a VoIPBin endpoint answers with, by the name of its schema.
fn shape(endpoint: &Endpoint) -> Option<&'static str> {
    let path = endpoint.path.strip_prefix("/v1.0").unwrap();
    let last = path.rsplit('/').next().unwrap();
    let lists = endpoint.method == "GET";
    Some(match path.split('/').nth(1).unwrap() {
        _ if last == "campaigncalls" => "campaigncall_page",
        "campaigns" if lists && last == "campaigns" => "campaign_page",
        "campaigns" => "campaign",
        "campaigncalls" => "campaigncall",
        "outplans" if lists && last == "outplans" => "outplan_page",
        "outplans" => "outplan",
        "outdials" if lists && last == "outdials" => "outdial_page",
        "outdials" if lists && last == "targets" => "target_page",
        "outdials" if path.contains("/targets") => "target",
        "outdials" => "outdial",
        "queues" if last == "queues" => "queue_page",
        "queues" => "queue",
        "calls" => "call",
        "me" | "customer" => "someone",
        // What passes is the platform's own.
        _ => return None,
    })
}

pub fn check_voipbin(caller: Caller, endpoint: &Endpoint, reply: &Reply) {
    let Some(shape) = shape(endpoint) else { return };
    let what = format!("{} {} for {caller:?}", endpoint.method, endpoint.path);
    let is_older = matches!(caller, Caller::Seed);
    match reply.status {
        200 => check(&of_voipbin(if is_older { SEED } else { HEAD }, shape), &what, &reply.json()),
        _ if is_older => assert_eq!(reply.text, "", "errors of the older generation: {what}"),
        _ => check_refusal(&what, reply),
    }
}

/// A refusal of the VoIPBin facade to a client of today's generation.
pub fn check_refusal(what: &str, reply: &Reply) {
    let body = reply.json();
    check(&of_voipbin(HEAD, "error"), what, &body);
    let id = reply.headers["x-request-id"].to_str().unwrap();
    assert_eq!(body["error"]["request_id"], id, "{what}");
}

/// Any answer of the CC-iSales facade to a client that it knows.
pub fn check_isales(what: &str, reply: &Reply) {
    let body = reply.json();
    check(&serde_json::from_str(ENVELOPE).unwrap(), what, &body);
    assert_eq!(body["resultCode"], body["returnCode"], "{what}");
    assert_eq!(body["resultDesc"], body["returnDesc"], "{what}");
}

fn of_voipbin(schemas: &str, shape: &str) -> Value {
    let mut schema: Value = serde_json::from_str(schemas).unwrap();
    schema["$ref"] = json!(format!("#/$defs/{shape}"));
    schema
}

fn check(schema: &Value, what: &str, body: &Value) {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?}\nin {body}");
}
