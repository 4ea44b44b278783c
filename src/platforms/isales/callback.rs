//! What CC-iSales pushes: a bare array of result rows (reference 6). It is not signed; whoever
//! receives it must have checked the token in the address before.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::convert;
use super::wire::ResultRow;
use crate::decoding;
use crate::domain::call::CallResult;
use crate::domain::json;
use crate::platforms::ConvertContext;
use crate::platforms::notice::Notice;

/// A pushed row and its own bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct PushedRow<'a> {
    /// None when the element is no result row; its bytes are kept all the same.
    pub row: Option<ResultRow>,
    pub raw: &'a str,
}

/// A push that is not JSON, or neither rows nor a row.
#[derive(Debug, thiserror::Error)]
#[error("a push that holds no result rows")]
pub struct Unreadable(#[source] serde_json::Error);

/// The page names the list `callResultList` but says that the wrapper does not exist; a single row
/// is taken for a list of one.
#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(rename = "callResultList", borrow)]
    rows: Vec<&'a RawValue>,
}

/// # Errors
/// When the body is not JSON or holds no rows. A single unreadable row is not an error.
pub fn parse(body: &[u8]) -> Result<Vec<PushedRow<'_>>, Unreadable> {
    let rows = match serde_json::from_slice::<Vec<&RawValue>>(body) {
        Ok(rows) => rows,
        Err(error) => match serde_json::from_slice::<Wrapper<'_>>(body) {
            Ok(wrapper) => wrapper.rows,
            Err(_) => match serde_json::from_slice::<&RawValue>(body) {
                Ok(single) if single.get().starts_with('{') => vec![single],
                _ => return Err(Unreadable(error)),
            },
        },
    };
    let read = |raw: &'_ RawValue| json::read::<ResultRow>(raw.get());
    Ok(rows.into_iter().map(|raw| PushedRow { row: read(raw), raw: raw.get() }).collect())
}

/// The push about an attempt; None while the call is under way, for only outcomes are pushed.
pub fn push_of(notice: &Notice<'_>, own: Option<&str>, ctx: &ConvertContext) -> Option<Vec<u8>> {
    if notice.attempt.result == CallResult::InProgress {
        return None;
    }
    if let Some(row) = own.and_then(|own| convert::pushed_row(own, notice.pair).ok()) {
        return Some(format!("[{row}]").into_bytes());
    }
    let mut row = convert::call_from_domain(notice.attempt, ctx).value;
    row.campaign_id = Some(notice.pair.number.to_string());
    row.vdn_id = Some(notice.pair.vdn.get().into());
    row.call_id = Some(notice.attempt_id.to_string());
    // Of a contact without one the platform's own sample says nothing (reference 6).
    row.custom_field = notice.person.and_then(|person| person.label.clone());
    row.record_path.get_or_insert_default();
    row.session_id.get_or_insert_default();
    serde_json::to_vec(&[row]).ok()
}

/// What a receiver answers.
#[derive(Deserialize)]
struct Receipt {
    #[serde(rename = "retCode")]
    code: Code,
}

/// Receivers write it as a text and as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Code {
    Text(String),
    Number(i64),
}

/// `retCode` 0 (page 4046). The page counts no answer as failed whose status is 200, so this is only for
/// receivers that say by it that they did not take a push.
pub fn is_receipt(answer: &[u8]) -> bool {
    match serde_json::from_slice::<Receipt>(decoding::without_mark(answer)) {
        Ok(Receipt { code: Code::Text(text) }) => text.trim() == "0",
        Ok(Receipt { code: Code::Number(number) }) => number == 0,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"campaignId":"3","sessionId":"1202_test013","called":"60584",
        "callTimeStr":"2020-08-30 20:00:00","callStatus":6,"failCode":"0","vdnId":11,
        "callId":"0023-134864174","recordPath":"Y:/1/11/20200830/3408/0949218.V3"}"#;

    #[test]
    fn rows_come_bare_wrapped_or_alone() {
        for body in [
            format!("[{ROW},{ROW}]"),
            format!(r#"{{"callResultList":[{ROW},{ROW}]}}"#),
            format!(" {ROW} "),
        ] {
            let rows = parse(body.as_bytes()).unwrap();
            let row = rows[0].row.as_ref().unwrap();
            assert_eq!(row.call_id.as_deref(), Some("0023-134864174"));
            assert_eq!(rows[0].raw, ROW);
        }
        assert_eq!(parse(b"[]").unwrap(), []);
    }

    #[test]
    fn an_unreadable_row_keeps_its_bytes_and_does_not_spoil_the_others() {
        let body = format!(r#"[{{"callStatus":"six"}},7,{ROW}]"#);
        let rows = parse(body.as_bytes()).unwrap();
        let read: Vec<bool> = rows.iter().map(|row| row.row.is_some()).collect();
        assert_eq!(read, [true, false, true]);
        assert_eq!(rows[0].row.as_ref().unwrap().call_status, None);
        assert_eq!(rows[1].raw, "7");
    }

    #[test]
    fn a_receipt_is_ret_code_0_in_whatever_form() {
        for (answer, is_receipt) in [
            (&br#"{"retCode":"0","retMsg":"success"}"#[..], true),
            (br#"{"retCode":0}"#, true),
            (b"\xef\xbb\xbf{\"retCode\":\"0\"}", true),
            (br#"{"retCode":"1"}"#, false),
            (br#"{"retCode":1}"#, false),
            (b"{}", false),
            (b"ok", false),
            (b"", false),
        ] {
            assert_eq!(super::is_receipt(answer), is_receipt, "{}", answer.escape_ascii());
        }
    }

    #[test]
    fn what_holds_no_rows_is_an_error_and_not_a_panic() {
        for body in [&b""[..], b"7", b"\"x\"", b"[", b"\xff", b"null"] {
            assert!(parse(body).is_err());
        }
    }
}
