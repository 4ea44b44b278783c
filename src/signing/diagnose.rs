//! Finds out how a refused C2 signature was made: the mistakes that people make (CC reference 14),
//! each tried alone.

use super::c2::{
    Authorization, Credentials, Headers, Mismatch, MissingHeader, Parts, Request, VerifyOptions,
    verify,
};

/// What was found out about a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diagnosis {
    /// It holds; the text says in which form, when it is not the plain one.
    Holds(Option<&'static str>),
    /// The first thing that is wrong.
    Differs(String),
}

/// Verifies and, on a mismatch, looks for the one difference that explains it.
pub fn diagnose(
    credentials: &Credentials,
    authorization: &Authorization<'_>,
    request: &Request<'_>,
    options: &VerifyOptions<'_>,
) -> Diagnosis {
    match verify(credentials, authorization, request, options) {
        Ok(verified) => Diagnosis::Holds(match (verified.empty_query_line, verified.host_as_given) {
            (false, true) => None,
            (true, true) => Some("the signer writes the query line although there is no query"),
            (false, false) => Some("the signer signs the host with another port form"),
            (true, false) => {
                Some("the signer writes an empty query line and another port form of the host")
            }
        }),
        Err(Mismatch::OutsideWindow) => Diagnosis::Differs(format!(
            "time: signed at {}, checked at {:.0}",
            authorization.timestamp_text, options.now
        )),
        Err(Mismatch::AccessKey) => Diagnosis::Differs(format!(
            "access key: signed with {}, expected {}",
            authorization.access_key,
            credentials.access_key()
        )),
        Err(Mismatch::MissingHeader(missing)) => Diagnosis::Differs(format!("header: {missing}")),
        Err(Mismatch::Signature) => match known_mistake(credentials, authorization, request) {
            Ok(Some(mistake)) => Diagnosis::Differs(mistake.to_owned()),
            Ok(None) => Diagnosis::Differs(
                "signature: no known mistake explains it, so the secret or a signed value differs; \
                 compare the canonical request line by line"
                    .to_owned(),
            ),
            Err(missing) => Diagnosis::Differs(format!("header: {missing}")),
        },
    }
}

/// The first of the known mistakes under which the signature holds.
fn known_mistake(
    credentials: &Credentials,
    authorization: &Authorization<'_>,
    request: &Request<'_>,
) -> Result<Option<&'static str>, MissingHeader> {
    let names = authorization.signed_headers;
    let prefix = authorization.prefix();
    let holds =
        |canonical: &[&[u8]]| authorization.carries(&credentials.signature(&prefix, canonical));
    let parts = Parts::of(request, names);
    for empty_query_line in [false, true] {
        let head = parts.head(None, empty_query_line)?;
        let mistakes: [(&[&[u8]], &str); 4] = [
            (&[&head], "body: the signature leaves the body out"),
            (&[&head, request.body], "body: signed as it is, not percent-encoded"),
            (&[&head, b"\n", &parts.body], "headers: one line feed too many after the last line"),
            (&[head.trim_ascii_end(), &parts.body], "headers: the line feed after them is missing"),
        ];
        for (canonical, mistake) in mistakes {
            if holds(canonical) {
                return Ok(Some(mistake));
            }
        }
    }
    other_requests(request, |changed, mistake| {
        let parts = Parts::of(changed, names);
        for empty_query_line in [false, true] {
            if holds(&[&parts.head(None, empty_query_line)?, &parts.body]) {
                return Ok(Some(mistake));
            }
        }
        Ok(None)
    })
}

/// Tries `check` on requests that differ from `request` in one thing that signers get wrong.
fn other_requests(
    request: &Request<'_>,
    mut check: impl FnMut(&Request<'_>, &'static str) -> Result<Option<&'static str>, MissingHeader>,
) -> Result<Option<&'static str>, MissingHeader> {
    let trimmed = request.path.trim_end_matches('/');
    let slashed = format!("{trimmed}/");
    let path = if request.path.ends_with('/') { trimmed } else { &slashed };
    let mut tries: Vec<(Request<'_>, &'static str)> = vec![
        (Request { path, ..*request }, "path: signed with another slash at its end"),
        (Request { raw_query: None, ..*request }, "query: the signature leaves the query out"),
    ];
    for method in ["GET", "POST", "PUT", "DELETE"] {
        if !request.method.eq_ignore_ascii_case(method) {
            tries.push((Request { method, ..*request }, "method: signed for another one"));
        }
    }
    let content_type = request.headers.value("content-type").map(swap_blank_after_semicolon);
    let headers = OtherContentType { content_type, others: request.headers };
    for (changed, mistake) in &tries {
        if let Some(found) = check(changed, mistake)? {
            return Ok(Some(found));
        }
    }
    let changed = Request { headers: &headers, ..*request };
    check(&changed, "content-type: signed with another blank after the `;` than is sent")
}

struct OtherContentType<'a> {
    content_type: Option<Vec<u8>>,
    others: &'a dyn Headers,
}

impl Headers for OtherContentType<'_> {
    fn value(&self, lower_case_name: &str) -> Option<&[u8]> {
        match lower_case_name {
            "content-type" => self.content_type.as_deref(),
            other => self.others.value(other),
        }
    }
}

/// `a; b` ↔ `a;b`: the demo sends one form, the pages print the other (2.2).
fn swap_blank_after_semicolon(value: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(value);
    let swapped =
        if text.contains("; ") { text.replace("; ", ";") } else { text.replace(';', "; ") };
    swapped.into_bytes()
}
