//! An answer of CC-iSales, read once: its code is judged, its parts are cut out with their bytes.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{auth, refusal, wire};
use crate::decoding;
use crate::domain::json;
use crate::platforms::{Operation, PlatformError, Said};
use crate::transport::{self, Access};

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    operation: Operation,
    access: Access,
    /// All of it, as text that can be read.
    pub body: Bytes,
    return_object: Option<Bytes>,
    data: Option<Bytes>,
    /// Campaigns over all pages of the list.
    pub total_size: Option<i64>,
    /// Result rows over all pages.
    pub total_count: Option<i64>,
}

/// Both code pairs (reference 1) and the parts that operations use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Whole<'a> {
    #[serde(default, deserialize_with = "wire::opt_text")]
    result_code: Option<String>,
    #[serde(default, deserialize_with = "wire::opt_text")]
    return_code: Option<String>,
    #[serde(default, deserialize_with = "wire::opt_text")]
    result_desc: Option<String>,
    #[serde(borrow, default)]
    return_object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "wire::opt_int")]
    total_size: Option<i64>,
    #[serde(default, deserialize_with = "wire::opt_int")]
    total_count: Option<i64>,
}

impl Answer {
    /// # Errors
    /// When the platform said no, or nothing that can be read.
    pub fn read(
        operation: Operation,
        access: Access,
        answer: &transport::Answer,
    ) -> Result<Self, PlatformError> {
        if answer.status != 200 {
            return Err(refusal::read_status(operation, access, answer));
        }
        let body = decoding::readable(&answer.body, answer.content_type.as_deref());
        let read = |body: &Bytes| Self::read_body(operation, access, body);
        // One escape that is none must not cost a whole page of rows.
        let mended =
            || read(&Bytes::from(json::mended(std::str::from_utf8(&body).ok()?).into_owned()));
        read(&body).or_else(mended).unwrap_or_else(|| {
            // The parser's text may quote the document, so it is not passed on.
            let detail = "status 200 with a body that is no answer";
            Err(PlatformError::malformed(operation, access, detail))
        })
    }

    /// None when the body is no JSON, or no answer.
    fn read_body(
        operation: Operation,
        access: Access,
        body: &Bytes,
    ) -> Option<Result<Self, PlatformError>> {
        let whole = serde_json::from_slice(body).ok()?;
        Some(Self::judge(operation, access, body, whole))
    }

    fn judge(
        operation: Operation,
        access: Access,
        body: &Bytes,
        whole: Whole<'_>,
    ) -> Result<Self, PlatformError> {
        let malformed = |detail| PlatformError::malformed(operation, access, detail);
        let filled = |code: Option<String>| code.filter(|code| !code.is_empty());
        match filled(whole.result_code).or_else(|| filled(whole.return_code)).as_deref() {
            Some(wire::SUCCESS) => {}
            Some(code) => {
                let said = Said {
                    status: 200,
                    code: code.to_owned(),
                    text: whole.result_desc.unwrap_or_default(),
                    body: body.clone(),
                    content_type: Some(auth::CONTENT_TYPE.to_owned()),
                };
                return Err(refusal::read_code(operation, access, said));
            }
            None => return Err(malformed("an answer without a code")),
        }
        let cut = |raw: &RawValue| body.slice_ref(raw.get().as_bytes());
        Ok(Self {
            operation,
            access,
            body: body.clone(),
            return_object: whole.return_object.map(cut),
            data: whole.data.map(cut),
            total_size: whole.total_size,
            total_count: whole.total_count,
        })
    }

    /// `returnObject` and its bytes.
    ///
    /// # Errors
    /// When there is none, or it is something else.
    pub fn object<T: DeserializeOwned>(&self) -> Result<(T, Bytes), PlatformError> {
        let malformed = |detail| PlatformError::malformed(self.operation, self.access, detail);
        let raw = self.return_object.as_ref().ok_or_else(|| malformed("success and no object"))?;
        let object = serde_json::from_slice(raw)
            .map_err(|_| malformed("success with an object that cannot be read"))?;
        Ok((object, raw.clone()))
    }

    /// `data`; None when there is none, or it is something else.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.data.as_ref()?).ok()
    }

    /// The elements of `data`, each with its bytes; no list is an empty list.
    ///
    /// # Errors
    /// When it is something else than a list.
    pub fn rows(&self) -> Result<Vec<Bytes>, PlatformError> {
        let Some(data) = &self.data else { return Ok(Vec::new()) };
        let rows: Vec<&RawValue> = serde_json::from_slice(data).map_err(|_| {
            PlatformError::malformed(self.operation, self.access, "`data` is not a list")
        })?;
        Ok(rows.into_iter().map(|row| data.slice_ref(row.get().as_bytes())).collect())
    }
}
