//! What CC-iSales pushes: a bare array of result rows (reference 6). It is not signed; whoever
//! receives it must have checked the token in the address before.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::convert;
use super::wire::ResultRow;
use crate::domain::call::CallResult;
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
    let read = |raw: &'_ RawValue| serde_json::from_str::<ResultRow>(raw.get()).ok();
    Ok(rows.into_iter().map(|raw| PushedRow { row: read(raw), raw: raw.get() }).collect())
}

/// The push about an attempt; None while the call is under way, for only outcomes are pushed.
pub fn push_of(notice: &Notice<'_>, ctx: &ConvertContext) -> Option<Vec<u8>> {
    if notice.attempt.result == CallResult::InProgress {
        return None;
    }
    let mut row = convert::call_from_domain(notice.attempt, ctx).value;
    row.campaign_id = Some(notice.pair.number.to_string());
    row.vdn_id = Some(notice.pair.vdn.get().into());
    row.call_id = Some(notice.attempt_id.to_string());
    row.record_path.get_or_insert_default();
    row.session_id.get_or_insert_default();
    serde_json::to_vec(&[row]).ok()
}

/// What a receiver answers.
#[derive(Deserialize)]
struct Receipt {
    #[serde(rename = "retCode")]
    code: String,
}

/// Status 200 and `retCode` "0"; anything else is a failure (reference 6).
pub fn was_taken(status: u16, answer: &[u8]) -> bool {
    let receipt = serde_json::from_slice::<Receipt>(answer);
    status == 200 && receipt.is_ok_and(|receipt| receipt.code == "0")
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
        assert_eq!(read, [false, false, true]);
        assert_eq!(rows[1].raw, "7");
    }

    #[test]
    fn what_holds_no_rows_is_an_error_and_not_a_panic() {
        for body in [&b""[..], b"7", b"\"x\"", b"[", b"\xff", b"null"] {
            assert!(parse(body).is_err());
        }
    }
}
