//! The texts of the schema: in which of them a number may stand, and which of them never hold one.
//!
//! Every column of text that the store's schema has must be in one of the two lists. A test fails when
//! one is in neither, and certificates name it.

/// A table whose texts may hold numbers.
pub struct Place {
    /// As an operator knows it; several tables may go by one name.
    pub name: &'static str,
    pub table: &'static str,
    /// Its primary key, by which its rows are looked through in order.
    pub key: &'static [&'static str],
    /// The account's id of a row `x`; NULL for one that belongs to no account, which everybody who may
    /// erase erases.
    pub account: &'static str,
    /// The campaign's id of a row `x`, or NULL.
    pub campaign: &'static str,
    pub columns: &'static [Column],
    pub also: Also,
}

/// What becomes of the rest of a row that had it.
#[derive(Clone, Copy)]
pub enum Also {
    Nothing,
    /// It no longer says what its sender signed.
    Unsigned,
    /// It takes no later report, which would bring the number back.
    Closed,
}

pub struct Column {
    pub name: &'static str,
    pub holds: Holds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// One number and nothing else, if it is one.
    Number,
    Text,
    /// What somebody sent. Where `encoding` is `hex`, its bytes in hexadecimal digits, as `content_type`
    /// and `content_encoding` say.
    Body,
}

/// Columns that are not looked through, and why that is right.
pub struct Excused {
    pub table: &'static str,
    pub columns: &'static [&'static str],
    pub why: &'static str,
}

const fn number(name: &'static str) -> Column {
    Column { name, holds: Holds::Number }
}

const fn text(name: &'static str) -> Column {
    Column { name, holds: Holds::Text }
}

const fn body(name: &'static str) -> Column {
    Column { name, holds: Holds::Body }
}

const OWN: &str = "x.account_id";
const OF_CAMPAIGN: &str = "(SELECT o.home_id FROM campaign o WHERE o.id = x.campaign_id)";
const OF_CONTACT: &str = "(SELECT o.campaign_id FROM contact o WHERE o.id = x.contact_id)";
const OF_EVENT: &str = "(SELECT o.account_id FROM event o WHERE o.id = x.event_id)";

pub const PLACES: [Place; 16] = [
    Place {
        name: "contacts",
        table: "contact",
        key: &["id"],
        account: OF_CAMPAIGN,
        campaign: "x.campaign_id",
        columns: &[text("reference"), text("label"), text("data")],
        also: Also::Nothing,
    },
    Place {
        name: "contact numbers",
        table: "contact_number",
        key: &["contact_id", "place"],
        account: "(SELECT o.home_id FROM campaign o JOIN contact p ON p.campaign_id = o.id \
                  WHERE p.id = x.contact_id)",
        campaign: OF_CONTACT,
        columns: &[number("number"), text("category")],
        also: Also::Nothing,
    },
    Place {
        name: "attempts",
        table: "attempt",
        key: &["id"],
        account: OWN,
        campaign: "x.campaign_id",
        columns: &[
            number("called"),
            number("caller"),
            text("contact_reference"),
            text("native_code"),
            text("recording"),
            text("raw"),
        ],
        also: Also::Closed,
    },
    Place {
        name: "events",
        table: "event",
        key: &["id"],
        account: OWN,
        campaign: "x.campaign_id",
        columns: &[body("body"), text("raw")],
        also: Also::Unsigned,
    },
    Place {
        name: "deliveries",
        table: "delivery",
        key: &["id"],
        account: OF_EVENT,
        campaign: "NULL",
        columns: &[text("answer"), text("error")],
        also: Also::Nothing,
    },
    Place {
        name: "deliveries",
        table: "delivery_attempt",
        key: &["id"],
        account: "(SELECT o.account_id FROM event o JOIN delivery d ON d.event_id = o.id \
                  WHERE d.id = x.delivery_id)",
        campaign: "NULL",
        columns: &[text("answer"), text("error")],
        also: Also::Nothing,
    },
    Place {
        name: "pushes",
        table: "inbox",
        key: &["id"],
        account: OWN,
        campaign: "NULL",
        columns: &[text("body")],
        also: Also::Nothing,
    },
    Place {
        name: "quarantine",
        table: "quarantine",
        key: &["id"],
        account: OWN,
        campaign: "NULL",
        columns: &[body("body"), text("reason")],
        also: Also::Nothing,
    },
    Place {
        name: "documents",
        table: "object",
        key: &["id"],
        account: OWN,
        campaign: "NULL",
        columns: &[text("name"), text("document"), text("base"), text("wanted")],
        also: Also::Nothing,
    },
    Place {
        name: "jobs",
        table: "job",
        key: &["id"],
        account: OWN,
        campaign: "NULL",
        columns: &[text("input"), text("checkpoint"), text("error"), text("answer")],
        also: Also::Nothing,
    },
    Place {
        name: "jobs",
        table: "job_step",
        key: &["id"],
        account: "(SELECT o.account_id FROM job o WHERE o.id = x.job_id)",
        campaign: "NULL",
        columns: &[text("checkpoint")],
        also: Also::Nothing,
    },
    Place {
        name: "campaigns",
        table: "campaign",
        key: &["id"],
        account: "x.home_id",
        campaign: "x.id",
        columns: &[text("name"), text("name_folded"), text("document")],
        also: Also::Nothing,
    },
    Place {
        name: "accounts",
        table: "account_reading",
        key: &["account_id"],
        account: OWN,
        campaign: "NULL",
        columns: &[text("error")],
        also: Also::Nothing,
    },
    Place {
        name: "destinations",
        table: "destination",
        key: &["id"],
        account: "NULL",
        campaign: "NULL",
        columns: &[text("reason")],
        also: Also::Nothing,
    },
    Place {
        name: "journal",
        table: "journal",
        key: &["id"],
        account: OF_CAMPAIGN,
        campaign: "x.campaign_id",
        columns: &[text("before_value"), text("after_value"), text("reason")],
        also: Also::Nothing,
    },
    Place {
        name: "kept answers",
        table: "idempotency",
        key: &["client", "request_key"],
        account: "NULL",
        campaign: "NULL",
        columns: &[text("body")],
        also: Also::Nothing,
    },
];

const OURS: &str = "a word of ours";
const AN_ID: &str = "an id, by which something is found again";
const A_NAME: &str = "a name that the operator gave";
const A_DIGEST: &str = "a digest, from which nothing can be read";
const DECLARED: &str = "how a body is packed; its text is looked through";

pub const EXCUSED: [Excused; 40] = [
    Excused {
        table: "refinery_schema_history",
        columns: &["name", "applied_on", "checksum"],
        why: OURS,
    },
    Excused { table: "counter", columns: &["name"], why: OURS },
    Excused { table: "account", columns: &["slug"], why: A_NAME },
    Excused { table: "account", columns: &["platform"], why: OURS },
    Excused { table: "campaign_part", columns: &["part"], why: OURS },
    Excused { table: "campaign_state", columns: &["desired", "actual"], why: OURS },
    Excused { table: "external_ref", columns: &["kind"], why: OURS },
    Excused { table: "external_ref", columns: &["native"], why: AN_ID },
    Excused { table: "contact", columns: &["native"], why: AN_ID },
    Excused { table: "contact", columns: &["state"], why: OURS },
    Excused { table: "attempt", columns: &["native", "call_id"], why: AN_ID },
    Excused { table: "attempt", columns: &["result", "disposition", "ended_by"], why: OURS },
    Excused {
        table: "contact_state",
        columns: &["reference"],
        why: "it changes with the reference of the attempts that it is made of",
    },
    Excused { table: "contact_state", columns: &["disposition"], why: OURS },
    Excused { table: "rollup", columns: &["disposition"], why: OURS },
    Excused {
        table: "unknown_code",
        columns: &["code"],
        why: "rows of seven digits and more are never written there",
    },
    Excused { table: "event", columns: &["proof", "trace"], why: A_DIGEST },
    Excused {
        table: "event",
        columns: &["encoding", "content_type", "content_encoding"],
        why: DECLARED,
    },
    Excused { table: "delivery", columns: &["state"], why: OURS },
    Excused { table: "inbox", columns: &["waiting"], why: "places in a push" },
    Excused { table: "inbox", columns: &["only_campaign"], why: AN_ID },
    Excused { table: "inbox", columns: &["trace"], why: A_DIGEST },
    Excused {
        table: "quarantine",
        columns: &["encoding", "content_type", "content_encoding"],
        why: DECLARED,
    },
    Excused { table: "quarantine", columns: &["only_campaign"], why: AN_ID },
    Excused { table: "object", columns: &["kind", "shape", "state"], why: OURS },
    Excused { table: "job", columns: &["kind", "actor", "request_id", "state"], why: OURS },
    Excused { table: "job_step", columns: &["name"], why: OURS },
    Excused { table: "journal", columns: &["actor", "action", "request_id"], why: OURS },
    Excused { table: "idempotency", columns: &["client"], why: A_NAME },
    Excused {
        table: "idempotency",
        columns: &["request_key"],
        why: "a client's name for a request: under another it would be done again (certificates say so)",
    },
    Excused { table: "idempotency", columns: &["fingerprint"], why: A_DIGEST },
    Excused { table: "idempotency", columns: &["subject"], why: AN_ID },
    Excused { table: "session", columns: &["token_hash", "client", "login"], why: A_DIGEST },
    Excused {
        table: "destination",
        columns: &[
            "name",
            "shape",
            "url",
            "accounts",
            "campaigns",
            "dispositions",
            "retry_waits_s",
            "state",
            "old_secrets",
        ],
        why: "an operator's settings and a client's own address: elsewhere results would be told to \
              nobody (certificates say so)",
    },
    Excused {
        table: "intended_receiver",
        columns: &["name"],
        why: "by it a campaign that is being made is met, and its results would be told to nobody \
              (certificates say so)",
    },
    Excused { table: "master_key", columns: &["fingerprint"], why: A_DIGEST },
    Excused { table: "reconcile_day", columns: &["day"], why: "a day" },
    Excused { table: "suppression", columns: &["hash", "reason"], why: A_DIGEST },
    Excused { table: "suppression_holder", columns: &["hash"], why: A_DIGEST },
    Excused { table: "suppression_told", columns: &["hash"], why: A_DIGEST },
];
