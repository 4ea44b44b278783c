//! The loader of settings: every mistake at once, each with its line, and never a secret in them.

use std::fs;
use std::path::Path;

use dialbridge::config::{
    Config, DEFAULT_TOML, LedgerConfig, Mistakes, PassRule, PlatformSettings, WritePolicy, load,
    load_file,
};
use dialbridge::domain::ids::VdnId;

const SECRET: &str = "hunter2-of-the-account";

/// Complete and without a mistake; tests replace one line of it.
const GOOD: &str = r#"
[[accounts]]
slug = "acme-hw"
platform = "isales"
base_url = "https://isales.example.com:28443"
time_zone = "Asia/Shanghai"
number_region = "CN"
trunk_prefix = "0"
international_prefix = "00"
access_key = "AK1"
secret_key = "hunter2-of-the-account"
vdns = [11, 12]

[[accounts]]
slug = "acme-cloud"
platform = "voipbin"
base_url = "https://api.voipbin.net/v1.0"
writes = "allow"
time_zone = "UTC"
access_key = "hunter2-of-the-account"
virtual_vdn = 9001

[[clients]]
name = "crm"
accounts = ["acme-hw", "acme-cloud"]
scope = "write"
[clients.voipbin]
access_key = "hunter2-of-the-account"
[clients.isales]
access_key = "AKCRM"
secret_key = "hunter2-of-the-account"
"#;

fn read(text: &str) -> Result<Config, Mistakes> {
    load(Path::new("dialbridge.toml"), text, &|_| None)
}

fn read_with(text: &str, name: &str, value: &str) -> Result<Config, Mistakes> {
    load(Path::new("dialbridge.toml"), text, &|asked| (asked == name).then(|| value.to_owned()))
}

/// `GOOD` with one part replaced, and the line on which that part begins.
fn changed(from: &str, to: &str) -> (String, usize) {
    let at = GOOD.find(from).unwrap_or_else(|| panic!("{from:?} is not in GOOD"));
    (GOOD.replacen(from, to, 1), GOOD[..at].matches('\n').count() + 1)
}

/// The one mistake that `to` in the place of `from` makes, with its line.
#[track_caller]
fn mistake(from: &str, to: &str) -> (String, Option<usize>, usize) {
    let (text, line) = changed(from, to);
    let mistakes = read(&text).expect_err("a mistake").0;
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(!mistakes[0].message.contains(SECRET), "{mistakes:?}");
    (mistakes[0].message.clone(), mistakes[0].line, line)
}

#[track_caller]
fn refuses(from: &str, to: &str, expected: &str) {
    let (message, found_line, line) = mistake(from, to);
    assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    assert_eq!(found_line, Some(line), "{message}");
}

#[test]
fn a_complete_file_is_read() {
    let config = read(GOOD).unwrap();
    let [isales, voipbin] = config.accounts.as_slice() else { panic!("two accounts") };
    assert_eq!(isales.writes, WritePolicy::Deny, "nothing is changed until it is allowed");
    assert_eq!(isales.limits.requests_per_second, None);
    assert!(isales.cache_ttl.is_zero(), "every detail is live unless told otherwise");
    assert_eq!(isales.vdns().iter().map(|vdn| vdn.get()).collect::<Vec<_>>(), [11, 12]);
    let PlatformSettings::Isales { empty_query_line, signed_headers, .. } = &isales.platform else {
        panic!("an isales account")
    };
    assert!(!empty_query_line);
    assert_eq!(signed_headers, &["host"]);
    assert_eq!(voipbin.writes, WritePolicy::Allow);
    assert_eq!(voipbin.limits.requests_per_second, Some(16));
    assert_eq!(voipbin.virtual_vdn().map(VdnId::get), Some(9001));
    assert_eq!(config.clients[0].accounts.len(), 2);
}

#[test]
fn the_default_file_parses_and_says_what_is_built_in() {
    let stated = read(DEFAULT_TOML).unwrap();
    let built_in = read("").unwrap();
    assert_eq!(format!("{stated:?}"), format!("{built_in:?}"));
    let LedgerConfig::Sqlite { path } = built_in.ledger else { panic!("SQLite by default") };
    assert_eq!(path, Path::new("dialbridge.db"));
}

/// Takes the comment sign off settings and tables, leaves sentences alone.
fn uncommented(text: &str) -> String {
    let setting = |line: &str| {
        let bare = line.strip_prefix("# ")?;
        let key = bare.split(" = ").next()?;
        let is_key =
            bare.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (is_key || bare.starts_with('[')).then(|| bare.to_owned())
    };
    text.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn tokens_of_the_own_api_are_checked() {
    let token = |name: &str, token: &str, scopes: &str, accounts: &str| {
        let rest = format!("scopes = [{scopes}]\naccounts = [{accounts}]\n");
        format!("[[api_tokens]]\nname = \"{name}\"\ntoken = \"{token}\"\n{rest}")
    };
    let with = |tokens: &[String]| read(&format!("{GOOD}{}", tokens.concat()));
    let (long, other) = ("0123456789abcdef", "fedcba9876543210");
    let good = token("ops", long, "\"read\"", "\"acme-hw\"");
    let config = with(&[good.clone(), token("night", other, "\"operate\"", "\"acme-cloud\"")]);
    let config = config.map_err(|mistakes| mistakes.to_string()).unwrap();
    assert_eq!(config.api_tokens.len(), 2);
    assert_eq!(config.api_tokens[0].accounts[0].as_str(), "acme-hw");
    let wrong = [
        (token("", long, "\"read\"", "\"acme-hw\""), "empty or used twice"),
        (token("ops", "short", "\"read\"", "\"acme-hw\""), "at least 16"),
        (token("ops", "with a blank in it", "\"read\"", "\"acme-hw\""), "at least 16"),
        (token("ops", long, "\"write\"", "\"acme-hw\""), "some of read, operate"),
        (token("ops", long, "", "\"acme-hw\""), "scopes"),
        (token("ops", long, "\"read\"", "\"acme\""), "slugs of accounts"),
        (token("ops", long, "\"read\"", ""), "accounts"),
        (good.clone() + &token("ops", other, "\"read\"", "\"acme-hw\""), "used twice"),
        (good.clone() + &token("night", long, "\"read\"", "\"acme-hw\""), "the same"),
    ];
    for (text, rule) in wrong {
        let mistakes = with(&[text]).expect_err(rule).to_string();
        assert!(mistakes.contains(rule), "{rule}: {mistakes}");
        assert!(!mistakes.contains(long) && !mistakes.contains("short"), "{mistakes}");
    }
}

#[test]
fn the_default_file_names_every_setting_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "acme-east.secret",
        "acme-cloud.key",
        "acme-cloud.webhook",
        "crm.key",
        "crm.secret",
        "crm.password",
        "night-shift.token",
    ] {
        fs::write(folder.path().join(name), SECRET).unwrap();
    }
    fs::write(folder.path().join("master.keys"), format!("1 {}", "7".repeat(32))).unwrap();
    let file = folder.path().join("dialbridge.toml");
    let text = uncommented(DEFAULT_TOML);
    let read = |text: &str| load(&file, text, &|_| None);
    let config = read(&text).map_err(|mistakes| mistakes.to_string()).unwrap();
    assert_eq!((config.accounts.len(), config.clients.len()), (2, 1));
    assert_eq!(config.bindings.agent_groups.len(), 1);

    // An unknown member makes the loader list what it asks for, table by table.
    let probed: String = text
        .lines()
        .map(|line| {
            if line.starts_with('[') { format!("{line}\nprobe = 1\n") } else { format!("{line}\n") }
        })
        .collect();
    let mistakes = read(&format!("probe = 1\n{probed}")).unwrap_err().0;
    let tables = text.lines().filter(|line| line.starts_with('[')).count();
    assert_eq!(mistakes.len(), tables + 1, "{mistakes:?}");
    for mistake in mistakes {
        let (_, known) = mistake.message.split_once("expected one of ").unwrap();
        for key in known.split(", ") {
            let twin = key.strip_suffix("_file").map_or(format!("{key}_file"), str::to_owned);
            let named = |key: &str| {
                text.lines().any(|line| {
                    let table = line.trim_start_matches('[').trim_end_matches(']');
                    line.starts_with(&format!("{key} ="))
                        || table.split('.').any(|part| part == key)
                })
            };
            assert!(named(key) || named(&twin), "{key} is not in dialbridge.default.toml");
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_line() {
    let text = GOOD
        .replace("\"Asia/Shanghai\"", "\"Asia/Atlantis\"")
        .replace("vdns = [11, 12]", "vdns = [0, 10000]\ncolour = \"red\"")
        .replace("virtual_vdn = 9001", "virtual_vdn = \"9001\"")
        .replace("scope = \"write\"", "scope = \"root\"");
    let mistakes = read(&text).unwrap_err();
    let lines: Vec<_> = mistakes.0.iter().map(|mistake| mistake.line).collect();
    let expected = ["Atlantis", "vdns =", "vdns =", "colour", "virtual_vdn", "scope"]
        .map(|needle| text.lines().position(|line| line.contains(needle)).map(|index| index + 1));
    assert_eq!(lines, expected, "{mistakes}");
    let first = mistakes.to_string().lines().next().unwrap().to_owned();
    assert!(first.starts_with("dialbridge.toml:6: "), "{first}");
}

#[test]
fn unknown_settings_are_refused_with_the_known_ones() {
    refuses("scope = \"write\"", "scop = \"write\"", "scop: unknown setting; expected one of acc");
    refuses("[[accounts]]", "[ledgre]\nurl = \"x\"\n[[accounts]]", "ledgre: unknown setting");
}

#[test]
fn wrong_types_are_told_without_the_value() {
    refuses("time_zone = \"UTC\"", "time_zone = 7", "expected a text, found an integer");
    let zone = "time_zone = \"UTC\"";
    refuses(zone, &format!("cache_ttl_ms = 60001\n{zone}"), "cache_ttl_ms: expected");
    refuses(zone, &format!("cache_ttl_ms = -1\n{zone}"), "cache_ttl_ms: expected");
    refuses("vdns = [11, 12]", "vdns = \"11\"", "expected a list of integers, found a text");
    refuses("vdns = [11, 12]", "vdns = [\"11\"]", "expected an integer, found a text");
    refuses("virtual_vdn = 9001", "virtual_vdn = \"9001\"", "found a text");
    refuses("platform = \"isales\"", "platform = 1", "expected a text");
    refuses("[[clients]]", "bindings = 3\n[[clients]]", "unknown setting");
    let mistakes = read("listeners = 3").unwrap_err();
    assert!(mistakes.to_string().contains("listeners: expected a table, found an integer"));
}

#[test]
fn ranges_are_checked() {
    refuses("virtual_vdn = 9001", "virtual_vdn = 0", "from 1 to 9999, found 0");
    refuses("virtual_vdn = 9001", "virtual_vdn = 10000", "from 1 to 9999, found 10000");
    refuses("vdns = [11, 12]", "vdns = [-1]", "found -1");
    assert!(mistake("vdns = [11, 12]", "vdns = []").0.contains("vdns: missing"));
    refuses(
        "vdns = [11, 12]",
        "request_timeout_ms = 25001\nvdns = [11, 12]",
        "from 100 to 25000, found 25001",
    );
    refuses("\"AK1\"", "\"A/K\"", "without /");
    let mistakes = read(&GOOD.replace("acme-hw", "Acme HW")).unwrap_err();
    assert!(mistakes.to_string().contains(":3: accounts.slug: expected 1 to 32"), "{mistakes}");
    refuses("trunk_prefix = \"0\"", "trunk_prefix = \"+\"", "at most 8 digits");
    refuses("number_region = \"CN\"", "number_region = \"XX\"", "number_region: expected");
    let large = "[listeners.facades]\nbody_limit_bytes = 99999999999999999999\n";
    assert!(read(large).unwrap_err().to_string().contains("from 1024 to 67108864"));
}

#[test]
fn what_must_be_unique_is() {
    let mistakes = read(&GOOD.replace("acme-cloud", "acme-hw")).unwrap_err();
    assert!(mistakes.to_string().contains("\"acme-hw\" is used twice"), "{mistakes}");
    refuses("virtual_vdn = 9001", "virtual_vdn = 12", "vdn 12 is used twice");
    let twice = |name: &str, voipbin: &str, isales: &str| {
        let client = format!(
            "[[clients]]\nname = \"{name}\"\naccounts = [\"acme-hw\"]\n[clients.voipbin]\n\
             access_key = \"{voipbin}\"\n[clients.isales]\naccess_key = \"{isales}\"\nsecret_key = \"s\"\n"
        );
        let mistakes = read(&format!("{GOOD}{client}")).unwrap_err();
        assert!(!mistakes.to_string().contains(SECRET));
        mistakes.0.into_iter().map(|mistake| mistake.message).collect::<Vec<_>>()
    };
    assert!(matches!(twice("crm", "k", "AK").as_slice(), [one] if one.contains("used twice")));
    assert!(matches!(twice("b", SECRET, "AK").as_slice(), [one] if one.contains("another client")));
    assert!(matches!(twice("b", "k", "AKCRM").as_slice(), [one] if one.contains("another client")));
}

#[test]
fn the_number_plan_of_a_cc_isales_account_is_stated_not_guessed() {
    for line in
        ["number_region = \"CN\"\n", "trunk_prefix = \"0\"\n", "international_prefix = \"00\"\n"]
    {
        let key = line.split(' ').next().unwrap();
        let (message, line, _) = mistake(line, "");
        assert!(message.contains(&format!("acme-hw.{key}: missing")), "{message}");
        assert_eq!(line, Some(2), "the account's table");
    }
}

#[test]
fn plain_http_needs_loopback_or_a_word() {
    let url = "base_url = \"https://isales.example.com:28443\"";
    refuses(url, "base_url = \"http://isales.example.com\"", "allow_plain_http");
    refuses(url, "base_url = \"ftp://isales.example.com\"", "https:// URL");
    refuses(url, "base_url = \"isales.example.com\"", "absolute https:// URL");
    refuses(url, "base_url = \"https://a:b@isales.example.com\"", "scheme, host, port and path");
    for good in [
        "base_url = \"http://127.0.0.1:1\"",
        "base_url = \"http://[::1]:1\"",
        "base_url = \"http://localhost:1\"\nallow_plain_http = true",
        "base_url = \"http://isales.example.com\"\nallow_plain_http = true",
    ] {
        let (text, _) = changed(url, good);
        read(&text).unwrap_or_else(|mistakes| panic!("{good}: {mistakes}"));
    }
}

#[test]
fn a_client_names_known_accounts_and_has_credentials() {
    refuses("[\"acme-hw\", \"acme-cloud\"]", "[\"acme-west\"]", "found \"acme-west\"");
    refuses("accounts = [\"acme-hw\", \"acme-cloud\"]", "accounts = \"acme-hw\"", "list of texts");
    let (text, _) = changed(
        "[clients.voipbin]",
        "[[clients]]\nname = \"b\"\naccounts = [\"acme-hw\"]\n[clients.voipbin]",
    );
    let mistakes = read(&text).unwrap_err();
    assert!(
        matches!(mistakes.0.as_slice(), [one] if one.message.contains("credentials")),
        "{mistakes}"
    );
}

#[test]
fn a_client_may_log_in_and_pass_things_on() {
    let with = |more: &str| format!("[clients.voipbin]\n{more}");
    let (text, _) = changed(
        "[clients.voipbin]",
        &with(
            "username = \"crm@example.com\"\npassword = \"p\"\n\
             pass_through = [\"GET /calls/{id}\", \"PUT /customer\"]",
        ),
    );
    let config = read(&text).map_err(|mistakes| mistakes.to_string()).unwrap();
    let client = config.clients[0].voipbin.as_ref().unwrap();
    assert_eq!(client.login.as_ref().unwrap().username, "crm@example.com");
    let rules: Vec<_> = client.pass_through.iter().map(PassRule::as_str).collect();
    assert_eq!(rules, ["GET /calls/{id}", "PUT /customer"]);
    for (more, expected) in [
        ("username = \"crm\"", "username and password go together"),
        ("username = \"\"\npassword = \"p\"", "is empty or another client's"),
        ("pass_through = [\"CALLS\"]", "expected a method and a path"),
        ("pass_through = [\"GET /campaigns\"]", "as it does /campaigns"),
        ("pass_through = \"GET /calls\"", "pass_through"),
    ] {
        let (text, _) = changed("[clients.voipbin]", &with(more));
        let mistakes = read(&text).unwrap_err().to_string();
        assert!(mistakes.contains(expected), "{mistakes}");
    }
}

#[test]
fn an_account_without_a_platform_makes_one_mistake() {
    refuses("platform = \"isales\"", "platform = \"genesys\"", "found \"genesys\"");
    let (message, _, _) = mistake("platform = \"isales\"\n", "");
    assert!(message.contains("platform: missing"), "{message}");
}

#[test]
fn the_environment_overrides_single_values() {
    let config = read_with(GOOD, "DIALBRIDGE_ACCOUNTS_ACME_CLOUD_VIRTUAL_VDN", "42").unwrap();
    assert_eq!(config.accounts[1].virtual_vdn().map(VdnId::get), Some(42));
    let config = read_with("", "DIALBRIDGE_LISTENERS_FACADES_ADDRESS", "127.0.0.1:9").unwrap();
    assert_eq!(config.listeners.facades.address.port(), 9);
    let config = read_with("", "DIALBRIDGE_LEDGER_URL", "postgres://u:hunter2-of-the-account@h/d");
    let config = config.unwrap();
    assert!(matches!(config.ledger, LedgerConfig::Postgres { .. }));
    assert!(!format!("{config:?}").contains(SECRET));

    let wrong = read_with(GOOD, "DIALBRIDGE_ACCOUNTS_ACME_CLOUD_VIRTUAL_VDN", "0").unwrap_err();
    let said = wrong.to_string();
    assert!(said.starts_with("DIALBRIDGE_ACCOUNTS_ACME_CLOUD_VIRTUAL_VDN: "), "{said}");
    let wrong = read_with("", "DIALBRIDGE_LEDGER_URL", "mysql://u:hunter2-of-the-account@h/d");
    let said = wrong.unwrap_err().to_string();
    assert!(said.contains("postgres://") && !said.contains(SECRET), "{said}");
    assert!(read_with("", "DIALBRIDGE_LEDGER_URL", "sqlite:").is_err());
}

#[test]
fn secrets_come_from_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dialbridge.toml");
    let with = |to: &str| {
        load(&file, &changed("secret_key = \"hunter2-of-the-account\"", to).0, &|_| None)
    };
    let stated = "secret_key_file = \"s\"";
    let said = |result: Result<Config, Mistakes>| {
        let mistakes = result.unwrap_err();
        assert_eq!(mistakes.0.len(), 1, "{mistakes}");
        assert_eq!(mistakes.0[0].line, Some(11), "{mistakes}");
        mistakes.to_string()
    };
    assert!(said(with(stated)).contains("secret_key_file"), "missing");
    fs::write(folder.path().join("s"), " \n").unwrap();
    assert!(said(with(stated)).contains("is empty"));
    fs::write(folder.path().join("s"), "x".repeat(70_000)).unwrap();
    assert!(said(with(stated)).contains("at most 65536 bytes"));
    fs::write(folder.path().join("s"), [0xc3, 0x28]).unwrap();
    assert!(said(with(stated)).contains("UTF-8"));
    assert!(said(with("secret_key = \"\"")).contains("empty"));
    fs::write(folder.path().join("s"), format!("{SECRET}\n")).unwrap();
    let config = with(stated).unwrap();
    let PlatformSettings::Isales { secret_key, .. } = &config.accounts[0].platform else {
        panic!("an isales account")
    };
    assert_eq!(secrecy::ExposeSecret::expose_secret(secret_key), SECRET, "without white space");
    assert!(!format!("{config:?}").contains(SECRET));

    let both = "secret_key = \"a\"\nsecret_key_file = \"s\"";
    let mistakes = with(both).unwrap_err();
    assert!(mistakes.to_string().contains("expected one of them"), "{mistakes}");
}

#[test]
fn a_file_that_is_no_settings_file_is_one_mistake() {
    let mistakes = read("[listeners\naddress = 3").unwrap_err();
    assert_eq!((mistakes.0.len(), mistakes.0[0].line), (1, Some(1)), "{mistakes}");
    let broken = GOOD.replace("scope = \"write\"", "scope = hunter2-of-the-account");
    let said = read(&broken).unwrap_err().to_string();
    assert!(!said.contains(SECRET), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let missing = load_file(&folder.path().join("none.toml")).unwrap_err();
    assert_eq!(missing.0[0].line, None);
    let huge = folder.path().join("huge.toml");
    fs::write(&huge, "#".repeat(5 * 1024 * 1024)).unwrap();
    assert!(load_file(&huge).unwrap_err().to_string().contains("at most"));
}

/// Found before anything is opened, and never with what the file holds.
#[test]
fn keys_that_are_none_are_told_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("master.keys");
    fs::write(&keys, format!("2 {}\n1 {SECRET}\n", "7".repeat(32))).unwrap();
    let with = |line: &str| {
        let file = folder.path().join("dialbridge.toml");
        let mistakes = load(&file, &format!("{GOOD}\n[keys]\n{line}\n"), &|_| None).unwrap_err();
        let [one] = mistakes.0.as_slice() else { panic!("one mistake: {mistakes}") };
        assert_eq!(one.line, Some(GOOD.lines().count() + 3), "{one}");
        assert!(!one.message.contains(SECRET), "{one}");
        one.message.clone()
    };
    let said = with("master_key_file = \"master.keys\"");
    let expected = format!("keys.master_key_file: {}: line 2: expected a version", keys.display());
    assert!(said.starts_with(&expected), "{said}");
    let said = with(&format!("master_key = \"{SECRET}\""));
    assert!(said.starts_with("keys.master_key: line 1: expected a version"), "{said}");
}

#[test]
fn a_binding_names_each_thing_once_per_side() {
    let rows = |second: &str| {
        format!(
            "{GOOD}[[bindings.agent_groups]]\nvoipbin = \"q1\"\nisales = \"1\"\n\
             [[bindings.agent_groups]]\n{second}\n"
        )
    };
    let line = GOOD.lines().count();
    for (second, side, offset) in [
        ("voipbin = \"q1\"\nisales = \"2\"", "bindings.voipbin", 5),
        ("voipbin = \"q2\"\nisales = \"1\"", "bindings.isales", 6),
        ("voipbin = \"\"\nisales = \"2\"", "bindings.voipbin", 5),
    ] {
        let mistakes = read(&rows(second)).unwrap_err();
        let [one] = mistakes.0.as_slice() else { panic!("one mistake: {mistakes}") };
        assert!(one.message.contains(side), "{one}");
        assert_eq!(one.line, Some(line + offset), "{one}");
    }
    let config = read(&rows("voipbin = \"q2\"\nisales = \"2\"")).unwrap();
    assert_eq!(config.bindings.agent_groups.len(), 2);
}
