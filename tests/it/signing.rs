//! C2 against the vectors of the CC-iSales reference (2.4) and its table of ambiguities (2.3), and
//! webhook signatures against the vector of the VoIPBin reference (10.2).

use std::time::Duration;

use dialbridge::signing::c2::{
    self, AuthProblem, Authorization, Credentials, Mismatch, MissingHeader, Request, SignOptions,
    SignedHeaders, Verified, VerifyOptions,
};
use dialbridge::signing::diagnose::{Diagnosis, diagnose};
use dialbridge::signing::webhook;
use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;

const ACCESS_KEY: &str = "AKEXAMPLE000001";
const SECRET: &str = "SKexampleSecret0000000000000001";
const HOST: &str = "isales.example.com:28443";
const DETAIL: &str = "/rest/isales/v1/openapi/campaigns/11/146";
const LIST: &str = "/rest/isales/v1/openapi/campaigns/11";
const RESULTS: &str = "/rest/isales/v1/openapi/campaigns/11/callresult/3";
const BODY: &str = r#"{"sessionId":"1202_test013","pageSize":500,"pageNum":1}"#;
const THREE: [&str; 3] = ["content-length", "content-type", "host"];

type Pairs = Vec<(String, Vec<u8>)>;

fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY, &SecretString::from(SECRET)).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect()
}

fn detail(headers: &Pairs) -> Request<'_> {
    Request { method: "GET", path: DETAIL, raw_query: None, headers, body: b"" }
}

fn results(headers: &Pairs) -> Request<'_> {
    Request { method: "POST", path: RESULTS, raw_query: None, headers, body: BODY.as_bytes() }
}

/// Signs, checks the signature, and checks that a verifier accepts it at the same time.
#[track_caller]
fn check_vector(request: &Request<'_>, options: &SignOptions<'_>, signature: &str) {
    let value = c2::sign(&credentials(), request, options).unwrap();
    assert_eq!(value.rsplit('/').next(), Some(signature));
    let parsed = Authorization::parse(&value).unwrap();
    let verified = c2::verify(&credentials(), &parsed, request, &open(options.timestamp)).unwrap();
    let written = options.empty_query_line && request.raw_query.is_none();
    assert_eq!(verified, Verified { empty_query_line: written, host_as_given: true });
}

fn open(now: Timestamp) -> VerifyOptions<'static> {
    VerifyOptions { host_candidates: &[], window: Some(c2::DEFAULT_WINDOW), now }
}

fn options(signed_headers: &SignedHeaders, millis: bool) -> SignOptions<'_> {
    let timestamp = at("2024-01-02T03:04:05.678Z");
    SignOptions { timestamp, millis, signed_headers, empty_query_line: false }
}

fn refusal(value: &str, request: &Request<'_>, options: &VerifyOptions<'_>) -> Option<Mismatch> {
    c2::verify(&credentials(), &Authorization::parse(value).unwrap(), request, options).err()
}

#[test]
fn vector_a_get_without_query_and_body() {
    let (held, host) = (headers(&[("host", HOST)]), SignedHeaders::host_only());
    let request = detail(&held);
    let value = c2::sign(&credentials(), &request, &options(&host, true)).unwrap();
    assert_eq!(
        value,
        "auth-v2/AKEXAMPLE000001/2024-01-02T03:04:05.678Z/host/\
         32d0ef8ed016f86de3eed128e9bfd0c8accb9af8cdc6d586330e3f0f4dabc5d2"
    );
    assert_eq!(
        String::from_utf8(c2::canonical_request(&request, "host", false).unwrap()).unwrap(),
        format!("GET\n{DETAIL}\nhost\nhost:isales.example.com%3A28443\n")
    );
    check_vector(
        &request,
        &options(&host, true),
        "32d0ef8ed016f86de3eed128e9bfd0c8accb9af8cdc6d586330e3f0f4dabc5d2",
    );
}

#[test]
fn vector_a_with_an_empty_query_line() {
    let (held, host) = (headers(&[("host", HOST)]), SignedHeaders::host_only());
    let request = detail(&held);
    assert_eq!(
        String::from_utf8(c2::canonical_request(&request, "host", true).unwrap()).unwrap(),
        format!("GET\n{DETAIL}\n\nhost\nhost:isales.example.com%3A28443\n")
    );
    check_vector(
        &request,
        &SignOptions { empty_query_line: true, ..options(&host, true) },
        "27f929c484054d8e8f811ff7f029d84f5c77c7d996420f80309f4cfef95580dc",
    );
}

#[test]
fn vector_b_query_is_decoded_sorted_and_encoded() {
    let (held, host) = (headers(&[("host", HOST)]), SignedHeaders::host_only());
    // The same parameters in three encodings on the wire: `+` and `%20`, `%2b` and `%2B`.
    for raw in [
        "name=%E5%8D%81%E4%B8%80%20a%2Bb&status=0&deviceType=0&beginTime=2024-01-01%2000%3A00%3A00\
         &endTime=&curPage=1&rowsPerPage=10",
        "name=%e5%8d%81%e4%b8%80+a%2bb&status=0&deviceType=0&beginTime=2024-01-01+00:00:00\
         &endTime&curPage=1&rowsPerPage=10",
        "status=0&status=0&&rowsPerPage=10&name=十一+a%2Bb&deviceType=0\
         &beginTime=2024-01-01+00:00:00&endTime=&curPage=1",
    ] {
        let request =
            Request { method: "get", path: LIST, raw_query: Some(raw), headers: &held, body: b"" };
        let canonical = c2::canonical_request(&request, "host", false).unwrap();
        assert_eq!(
            String::from_utf8(canonical).unwrap().lines().nth(2),
            Some(
                "beginTime=2024-01-01%2000%3A00%3A00&curPage=1&deviceType=0&endTime=\
                 &name=%E5%8D%81%E4%B8%80%20a%2Bb&rowsPerPage=10&status=0"
            )
        );
        check_vector(
            &request,
            &options(&host, true),
            "af13fb47ef1e3cf26f61c187d756387699d200c5c64c4b551aec56a55cfdd16a",
        );
    }
}

#[test]
fn vector_c_post_with_a_body_and_a_time_without_fraction() {
    let (held, host) = (headers(&[("host", HOST)]), SignedHeaders::host_only());
    let request = results(&held);
    let canonical = c2::canonical_request(&request, "host", false).unwrap();
    assert!(
        canonical.ends_with(
            b"28443\n%7B%22sessionId%22%3A%221202_test013%22%2C%22pageSize%22%3A500%2C%22pageNum%22%3A1%7D"
        )
    );
    check_vector(
        &request,
        &options(&host, false),
        "da634c8b82768f0d5139de87317c52776c75e6e5179883b2a3804a3ca0501813",
    );
}

#[test]
fn vector_d_three_signed_headers() {
    let held = headers(&[
        ("content-type", " application/json; charset=UTF-8 "),
        ("host", HOST),
        ("content-length", "55"),
    ]);
    let names = SignedHeaders::new(&["Host", "content-type", "Content-Length"]).unwrap();
    assert_eq!(names.as_str(), "content-length;content-type;host");
    let request = results(&held);
    let canonical = c2::canonical_request(&request, names.as_str(), false).unwrap();
    assert!(String::from_utf8(canonical).unwrap().contains(
        "content-length:55\ncontent-type:application%2Fjson%3B%20charset%3DUTF-8\n\
         host:isales.example.com%3A28443\n"
    ));
    check_vector(
        &request,
        &options(&names, true),
        "4284f6bb0fb3d2fcbe6146cc35ef0b3fe8ebea2750a54530e26b9a6c9ed53488",
    );
    check_vector(
        &request,
        &SignOptions { empty_query_line: true, ..options(&names, true) },
        "374224ddfd8206d34157f21d3e0e6508d292e46dd2380289aefeee2a9fc493b0",
    );
}

#[test]
fn the_order_of_received_names_and_of_whole_lines_counts() {
    let held = headers(&[("a", "1"), ("a-b", "2"), ("host", "h")]);
    let request = detail(&held);
    let text = c2::canonical_request(&request, "host;a;a-b", false).unwrap();
    let expected = format!("GET\n{DETAIL}\nhost;a;a-b\na-b:2\na:1\nhost:h\n");
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[test]
fn authorization_values_of_the_wrong_form_are_refused() {
    let signature = "32d0ef8ed016f86de3eed128e9bfd0c8accb9af8cdc6d586330e3f0f4dabc5d2";
    let time = "2024-01-02T03:04:05.678Z";
    let many = vec!["host"; c2::MAX_SIGNED_HEADERS + 1].join(";");
    let cases = [
        (String::new(), AuthProblem::Fields),
        (format!("auth-v2/AK/{time}/host"), AuthProblem::Fields),
        (format!("auth-v2/A/K/{time}/host/{signature}"), AuthProblem::Fields),
        (format!("auth-v1/AK/{time}/host/{signature}"), AuthProblem::Version),
        (format!("SDK-HMAC-SHA256 auth-v2/AK/{time}/host/{signature}"), AuthProblem::Version),
        (format!("auth-v2//{time}/host/{signature}"), AuthProblem::AccessKey),
        (format!("auth-v2/{}/{time}/host/{signature}", "K".repeat(129)), AuthProblem::AccessKey),
        (format!("auth-v2/AK/2024-01-02 03:04:05Z/host/{signature}"), AuthProblem::Timestamp),
        (format!("auth-v2/AK/2024-13-02T03:04:05Z/host/{signature}"), AuthProblem::Timestamp),
        (format!("auth-v2/AK/2024-01-02T03:04:05+00/host/{signature}"), AuthProblem::Timestamp),
        (format!("auth-v2/AK/{time}/content-type/{signature}"), AuthProblem::HostNotSigned),
        (format!("auth-v2/AK/{time}/Host/{signature}"), AuthProblem::SignedHeaders),
        (format!("auth-v2/AK/{time}/host;;a/{signature}"), AuthProblem::SignedHeaders),
        (format!("auth-v2/AK/{time}/{many}/{signature}"), AuthProblem::SignedHeaders),
        (format!("auth-v2/AK/{time}/host/{}", &signature[1..]), AuthProblem::Signature),
        (format!("auth-v2/AK/{time}/host/{}", signature.to_uppercase()), AuthProblem::Signature),
        (format!("auth-v2/AK/{time}/host/{}", "é".repeat(32)), AuthProblem::Signature),
        ("x".repeat(c2::MAX_AUTHORIZATION_BYTES + 1), AuthProblem::TooLong),
    ];
    for (value, problem) in cases {
        assert_eq!(Authorization::parse(&value), Err(problem), "{value}");
    }
    let slash = Credentials::new("A/K", &SecretString::from("s"));
    assert_eq!(slash.err(), Some(AuthProblem::AccessKey));
    assert_eq!(SignedHeaders::new(&["content-type"]), Err(AuthProblem::HostNotSigned));
}

#[test]
fn the_time_window_holds_on_both_sides_and_can_be_off() {
    let (held, host) = (headers(&[("host", HOST)]), SignedHeaders::host_only());
    let request = detail(&held);
    let value = c2::sign(&credentials(), &request, &options(&host, true)).unwrap();
    let window = Some(Duration::from_secs(900));
    for (now, expected) in [
        ("2024-01-02T03:19:05.678Z", None),
        ("2024-01-02T02:49:05.678Z", None),
        ("2024-01-02T03:19:05.679Z", Some(Mismatch::OutsideWindow)),
        ("2024-01-02T02:49:05.677Z", Some(Mismatch::OutsideWindow)),
    ] {
        let options = VerifyOptions { host_candidates: &[], window, now: at(now) };
        assert_eq!(refusal(&value, &request, &options), expected, "{now}");
    }
    let off = VerifyOptions { host_candidates: &[], window: None, now: at("1999-01-01T00:00:00Z") };
    assert_eq!(refusal(&value, &request, &off), None);
}

#[test]
fn the_host_is_tried_as_given_and_with_and_without_port() {
    let host_names = SignedHeaders::host_only();
    let now = at("2024-01-02T03:04:05.678Z");
    let verify = |signed: &str, received: &str, candidates: &[&str]| {
        let (signed, received) = (headers(&[("host", signed)]), headers(&[("host", received)]));
        let value =
            c2::sign(&credentials(), &detail(&signed), &options(&host_names, true)).unwrap();
        let options = VerifyOptions { host_candidates: candidates, window: None, now };
        let parsed = Authorization::parse(&value).unwrap();
        c2::verify(&credentials(), &parsed, &detail(&received), &options)
            .map(|verified| verified.host_as_given)
    };
    assert_eq!(verify("10.1.1.1", "10.1.1.1:28080", &[]), Ok(false));
    assert_eq!(verify("a.example:443", "a.example", &[]), Ok(false));
    assert_eq!(verify("[::1]", "[::1]:80", &[]), Ok(false));
    assert_eq!(verify("a.example:8443", "a.example", &[]), Err(Mismatch::Signature));
    assert_eq!(verify("public.example", "inner:80", &["inner:80", "public.example"]), Ok(true));
    assert_eq!(verify("public.example", "inner:80", &["public.example:28443"]), Ok(false));
    assert_eq!(verify("public.example", "inner:80", &["inner:80"]), Err(Mismatch::Signature));
}

#[test]
fn other_keys_and_missing_headers_are_told_apart() {
    let (held, none) = (headers(&[("host", HOST)]), headers(&[]));
    let host = SignedHeaders::host_only();
    let value = c2::sign(&credentials(), &detail(&held), &options(&host, true)).unwrap();
    let parsed = Authorization::parse(&value).unwrap();
    let now = open(parsed.timestamp);
    let verify = |ak: &str, sk: &str| {
        let other = Credentials::new(ak, &SecretString::from(sk)).unwrap();
        c2::verify(&other, &parsed, &detail(&held), &now).err()
    };
    assert_eq!(verify("OTHER", SECRET), Some(Mismatch::AccessKey));
    assert_eq!(verify(ACCESS_KEY, "other"), Some(Mismatch::Signature));
    assert_eq!(
        c2::sign(&credentials(), &detail(&none), &options(&host, true)),
        Err(MissingHeader("host".to_owned()))
    );
}

#[test]
fn broken_encodings_are_signed_as_bytes_and_never_panic() {
    let (held, host) = (headers(&[("host", HOST)]), SignedHeaders::host_only());
    for raw in ["%", "a=%zz", "a=%F", "=&=&&", "%FF=%fe", "a=b=c", "?", "a=\u{fffd}"] {
        let request = Request {
            method: "GET",
            path: LIST,
            raw_query: Some(raw),
            headers: &held,
            body: b"\xff\x00\xfe",
        };
        let value = c2::sign(&credentials(), &request, &options(&host, true)).unwrap();
        let now = open(at("2024-01-02T03:04:05.678Z"));
        assert_eq!(refusal(&value, &request, &now), None, "{raw}");
    }
}

#[test]
fn a_known_mistake_is_named() {
    let held = headers(&[("host", HOST), ("content-type", "application/json;charset=UTF-8")]);
    let names = SignedHeaders::new(&["host", "content-type"]).unwrap();
    let now = open(at("2024-01-02T03:04:05.678Z"));
    let spaced = headers(&[("host", HOST), ("content-type", "application/json; charset=UTF-8")]);
    let slashed = format!("{RESULTS}/");
    let received = results(&held);
    let cases = [
        (Request { body: b"", ..received }, "body: the signature leaves the body out"),
        (Request { path: &slashed, ..received }, "path: signed with another slash at its end"),
        (Request { method: "PUT", ..received }, "method: signed for another one"),
        (
            Request { headers: &spaced, ..received },
            "content-type: signed with another blank after the `;` than is sent",
        ),
    ];
    for (signed, explanation) in cases {
        let value = c2::sign(&credentials(), &signed, &options(&names, true)).unwrap();
        let parsed = Authorization::parse(&value).unwrap();
        assert_eq!(
            diagnose(&credentials(), &parsed, &received, &now),
            Diagnosis::Differs(explanation.to_owned())
        );
    }
}

#[test]
fn nothing_prints_the_secret() {
    assert!(!format!("{:?}", credentials()).contains(SECRET));
    let held = headers(&[("host", HOST)]);
    assert!(!format!("{:?}", results(&held)).contains("sessionId"));
}

#[test]
fn webhook_vector_of_the_voipbin_reference() {
    let secret = SecretString::from("example-secret");
    let body = br#"{"type":"campaign_status_run","data":{"id":"183c0d5c-691e-42f3-af2b-9bffc2740f83","status":"run"}}"#;
    let value = "sha256=db8fe00a4939ea4dfb47fce452c9e5a450f26329a8b79aa8645d56b0ea15ee82";
    assert_eq!(body.len(), 98);
    assert_eq!(webhook::sign(&secret, body), value);
    assert!(webhook::verify(&secret, value, body));
    assert!(!webhook::verify(&secret, value, &body[1..]));
    assert!(!webhook::verify(&SecretString::from("other"), value, body));
    for wrong in ["", "sha256=", &value[7..], &value.to_uppercase(), "sha1=00"] {
        assert!(!webhook::verify(&secret, wrong, body), "{wrong}");
    }
}

#[derive(Debug, Clone)]
struct Sample {
    method: &'static str,
    path: String,
    query: Option<String>,
    content_type: String,
    body: Vec<u8>,
    three: bool,
    millis: bool,
    empty_query_line: bool,
}

fn sample() -> impl Strategy<Value = Sample> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]);
    let path = "/[a-zA-Z0-9/_.-]{0,40}";
    let query = prop::option::of("[ -~]{0,60}");
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let body = prop::collection::vec(any::<u8>(), 0..200);
    (method, path, query, "[!-~]{1,30}", body, flags).prop_map(
        |(method, path, query, content_type, body, (three, millis, empty_query_line))| Sample {
            method,
            path,
            query,
            content_type,
            body,
            three,
            millis,
            empty_query_line,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_signed_verifies_and_any_change_is_noticed(sample in sample()) {
        let length = sample.body.len().to_string();
        let held = headers(&[
            ("host", HOST),
            ("content-type", &sample.content_type),
            ("content-length", &length),
        ]);
        let names: &[&str] = if sample.three { &THREE } else { &["host"] };
        let names = SignedHeaders::new(names).unwrap();
        let request = Request {
            method: sample.method,
            path: &sample.path,
            raw_query: sample.query.as_deref(),
            headers: &held,
            body: &sample.body,
        };
        let options = SignOptions {
            millis: sample.millis,
            empty_query_line: sample.empty_query_line,
            ..options(&names, true)
        };
        let value = c2::sign(&credentials(), &request, &options).unwrap();
        let now = open(at("2024-01-02T03:04:05.678Z"));
        prop_assert_eq!(refusal(&value, &request, &now), None);

        let method = if sample.method == "GET" { "POST" } else { "GET" };
        let path = format!("{}x", sample.path);
        let query = format!("{}&added=1", sample.query.as_deref().unwrap_or_default());
        let mut body = sample.body.clone();
        body.push(b'x');
        let other_host = headers(&[
            ("host", "other.example"),
            ("content-type", &sample.content_type),
            ("content-length", &length),
        ]);
        let other_type = headers(&[
            ("host", HOST),
            ("content-type", &format!("{}x", sample.content_type)),
            ("content-length", &length),
        ]);
        let mut changed = vec![
            Request { method, ..request },
            Request { path: &path, ..request },
            Request { raw_query: Some(&query), ..request },
            Request { body: &body, ..request },
            Request { headers: &other_host, ..request },
        ];
        if sample.three {
            changed.push(Request { headers: &other_type, ..request });
        }
        for request in &changed {
            prop_assert_eq!(refusal(&value, request, &now), Some(Mismatch::Signature));
        }
    }

    #[test]
    fn parsing_never_panics(text in "\\PC{0,80}", slashes in "(auth-v2|[a-z/]{0,6})(/\\PC{0,24}){4}") {
        Authorization::parse(&text).ok();
        Authorization::parse(&slashes).ok();
    }
}

/// Runs the program; gives its exit code, standard output and standard error.
fn dialbridge(arguments: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_dialbridge"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A directory with the secret and the body in files, and the arguments that both commands share.
fn on_the_command_line() -> (tempfile::TempDir, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let (secret, body) = (directory.path().join("secret"), directory.path().join("body"));
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    std::fs::write(&body, BODY).unwrap();
    let url = format!("https://{HOST}{RESULTS}");
    let arguments = [
        ["--platform", "isales"],
        ["--access-key", ACCESS_KEY],
        ["--secret-key-file", secret.to_str().unwrap()],
        ["--method", "POST"],
        ["--url", &url],
        ["--body-file", body.to_str().unwrap()],
        ["--header", "Content-Type: application/json; charset=UTF-8"],
    ];
    let arguments = arguments.concat().into_iter().map(str::to_owned).collect();
    (directory, arguments)
}

const SIGNED_D: &str = "auth-v2/AKEXAMPLE000001/2024-01-02T03:04:05.678Z/\
                        content-length;content-type;host/\
                        4284f6bb0fb3d2fcbe6146cc35ef0b3fe8ebea2750a54530e26b9a6c9ed53488";

#[test]
fn the_command_signs_the_vectors() {
    let (_directory, shared) = on_the_command_line();
    let sign = |more: &[&str]| {
        let mut arguments = vec!["sign"];
        arguments.extend(shared.iter().map(String::as_str));
        arguments.extend(more);
        dialbridge(&arguments)
    };
    let d = ["--timestamp", "2024-01-02T03:04:05.678Z", "--signed-headers"];
    let names = "content-length;content-type;host";
    let (code, out, _) = sign(&[&d[..], &[names]].concat());
    assert_eq!((code, out.as_str()), (0, SIGNED_D));
    let (code, out, _) = sign(&[&d[..], &[names, "--empty-query-line"]].concat());
    assert!(code == 0 && out.ends_with("9fc493b0"), "{out}");
    let (code, out, _) = sign(&["--timestamp", "2024-01-02T03:04:05Z"]);
    assert!(
        code == 0
            && out.ends_with(
                "/host/da634c8b82768f0d5139de87317c52776c75e6e5179883b2a3804a3ca0501813"
            ),
        "{out}"
    );
    for (wrong, hint) in [
        (vec!["--timestamp", "yesterday"], "2024-01-02T03:04:05Z"),
        (vec!["--signed-headers", "content-type"], "host"),
        (vec!["--signed-headers", "host;locale"], "--header"),
        (vec!["--header", "no colon"], "name: value"),
    ] {
        let (code, out, error) = sign(&wrong);
        assert_eq!((code, out.as_str()), (2, ""), "{wrong:?}");
        assert!(error.contains(hint) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn the_command_explains_the_first_difference_and_never_shows_the_key() {
    let (_directory, shared) = on_the_command_line();
    let verify = |value: &str, more: &[&str]| {
        let mut arguments = vec!["verify"];
        arguments.extend(shared.iter().map(String::as_str));
        arguments.extend(["--authorization", value]);
        arguments.extend(more);
        let (code, out, error) = dialbridge(&arguments);
        assert!(!out.contains(SECRET) && !error.contains(SECRET));
        (code, out)
    };
    let (code, out) = verify(SIGNED_D, &[]);
    assert!(code == 0 && out.starts_with("holds\n"), "{out}");
    assert!(out.contains("2 | /rest/isales/v1/openapi/campaigns/11/callresult/3"), "{out}");
    let (code, out) = verify(SIGNED_D, &["--window-minutes", "15"]);
    assert!(code == 1 && out.starts_with("differs: time: signed at 2024-01-02"), "{out}");
    let (code, out) = verify(&SIGNED_D.replace("000001", "000002"), &[]);
    assert!(code == 1 && out.starts_with("differs: access key:"), "{out}");
    let (code, out) = verify(&SIGNED_D.replace("auth-v2", "v4"), &[]);
    assert!(code == 1 && out.starts_with("differs: authorization: the version"), "{out}");
    let (code, out) = verify(&SIGNED_D.replace("4284", "0000"), &[]);
    assert!(code == 1 && out.contains("compare the canonical request"), "{out}");
    let without_body = c2::sign(
        &credentials(),
        &Request { body: b"", ..results(&headers(&[("host", HOST)])) },
        &options(&SignedHeaders::host_only(), true),
    );
    let (code, out) = verify(&without_body.unwrap(), &[]);
    assert!(code == 1 && out.starts_with("differs: body: the signature leaves"), "{out}");
}

#[test]
fn the_command_knows_webhooks() {
    let directory = tempfile::tempdir().unwrap();
    let (secret, body) = (directory.path().join("secret"), directory.path().join("body"));
    std::fs::write(&secret, "example-secret").unwrap();
    std::fs::write(&body, r#"{"type":"campaign_status_run","data":{"id":"183c0d5c-691e-42f3-af2b-9bffc2740f83","status":"run"}}"#).unwrap();
    let mut arguments = vec!["sign", "--platform", "voipbin", "--secret-key-file"];
    arguments.extend([secret.to_str().unwrap(), "--body-file", body.to_str().unwrap()]);
    let (code, value, _) = dialbridge(&arguments);
    assert_eq!(code, 0);
    assert_eq!(value, "sha256=db8fe00a4939ea4dfb47fce452c9e5a450f26329a8b79aa8645d56b0ea15ee82");
    arguments[0] = "verify";
    arguments.extend(["--authorization", &value]);
    assert_eq!(dialbridge(&arguments).0, 0);
}
