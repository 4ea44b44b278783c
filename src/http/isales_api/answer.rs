//! What success looks like (reference 1): both code pairs, then what the operation gives.

use bytes::Bytes;
use serde::Serialize;

use crate::gateway::error::GatewayError;
use crate::http::isales_api::unreadable;
use crate::platforms::isales::wire::{Envelope, SUCCESS};

/// An answer being written. Parts that are JSON already go in as they are.
pub struct Success {
    body: Vec<u8>,
}

impl Success {
    /// # Errors
    /// Never, but for a failure of the JSON writer.
    pub fn new(description: &str) -> Result<Self, GatewayError> {
        let mut body =
            serde_json::to_vec(&Envelope::both(SUCCESS, description)).map_err(unreadable)?;
        // The envelope's closing brace is written at the end.
        body.pop();
        Ok(Self { body })
    }

    /// # Errors
    /// When the value has no JSON form.
    pub fn with(mut self, name: &str, value: &impl Serialize) -> Result<Self, GatewayError> {
        self.name(name);
        serde_json::to_writer(&mut self.body, value).map_err(unreadable)?;
        Ok(self)
    }

    /// A member whose value is JSON already.
    pub fn with_raw(mut self, name: &str, json: &[u8]) -> Self {
        self.name(name);
        self.body.extend_from_slice(json);
        self
    }

    /// A member that is a list of what is JSON already.
    pub fn with_list<'a>(mut self, name: &str, list: impl Iterator<Item = &'a [u8]>) -> Self {
        self.name(name);
        self.body.push(b'[');
        for (index, json) in list.enumerate() {
            if index > 0 {
                self.body.push(b',');
            }
            self.body.extend_from_slice(json);
        }
        self.body.push(b']');
        self
    }

    pub fn bytes(mut self) -> Bytes {
        self.body.push(b'}');
        self.body.into()
    }

    /// `name` is one of ours and needs no escaping.
    fn name(&mut self, name: &str) {
        self.body.extend_from_slice(b",\"");
        self.body.extend_from_slice(name.as_bytes());
        self.body.extend_from_slice(b"\":");
    }
}
