//! Requests whose bodies are not kept: chunk by chunk from a client to a platform and back.
//!
//! Time is judged by progress, not by the whole: a large body may take long, but each next piece must
//! come within the account's request time-out. A body that a client breaks off never reaches the
//! platform as one that ended.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, LocalBoxStream};
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::breaker::Passage;
use super::failure::{Failure, FailureKind};
use super::pacing::Lane;
use super::{Access, Admitted, Connection, Endpoint, Request, asked_wait, into_client_request};

/// Streams of one account under way at once: a client that reads slowly must not use up the places
/// of all the others.
pub const MAX_STREAMS: usize = 32;
/// The longest that one stream may take altogether.
pub const STREAM_DEADLINE: Duration = Duration::from_secs(600);
/// Pieces of a request's body that wait for the platform to take them; each is as large as it
/// arrived, 64 KiB at most.
const CHUNKS_IN_FLIGHT: usize = 4;
/// A client that finds all places taken is told to come back after this.
const STREAMS_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A request's body as it arrives; an error means that it ends here and is not whole.
pub type Upload = LocalBoxStream<'static, Result<Bytes, BrokenOff>>;

/// The body of a request is not whole: its sender went away, or sent more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body was broken off")]
pub struct BrokenOff;

/// Leave to send one request with streamed bodies.
#[derive(Debug)]
pub struct AdmittedStream<'a> {
    admitted: Admitted<'a>,
    place: OwnedSemaphorePermit,
}

/// An answer of which the head has arrived.
pub struct Streamed {
    pub status: u16,
    headers: HeaderMap,
    /// As announced; None when the platform did not say.
    pub length_bytes: Option<u64>,
    pub body: Download,
}

/// The rest of an answer. Dropping it ends the request.
pub struct Download {
    response: reqwest::Response,
    pump: Pump,
    idle: Duration,
    left_bytes: u64,
    is_write: bool,
    _place: OwnedSemaphorePermit,
}

/// Moves a request's body on while the answer is awaited and read.
struct Pump {
    upload: Upload,
    /// None when there is nothing more to move. Dropped without [`Piece::End`], the platform sees
    /// the connection break and not a shorter body.
    sender: Option<mpsc::Sender<Piece>>,
    /// The platform takes more and the client gives nothing.
    starves: bool,
    broken_off: bool,
}

enum Piece {
    Chunk(Bytes),
    End,
}

impl Connection {
    /// As [`Connection::admit`], for a request with streamed bodies.
    ///
    /// # Errors
    /// As there, and `Paced` when as many streams are under way as may be.
    pub async fn admit_stream(
        &self,
        access: Access,
        lane: Lane,
    ) -> Result<AdmittedStream<'_>, Failure> {
        let place = Arc::clone(&self.endpoint.streams).try_acquire_owned();
        let place = place.map_err(|_| Failure {
            retry_after: Some(STREAMS_RETRY_AFTER),
            ..Failure::unsent(FailureKind::Paced)
        })?;
        Ok(AdmittedStream { admitted: self.admit(access, lane).await?, place })
    }
}

impl AdmittedStream<'_> {
    /// Sends the request, with `upload` as its body if there is one, and answers when the head of
    /// the answer is there. The body in `request` is not used.
    ///
    /// # Errors
    /// When no answer came, or one that is announced to be larger than the account's limit. An
    /// answer of any status is not an error here.
    pub async fn send(self, request: Request, upload: Option<Upload>) -> Result<Streamed, Failure> {
        let Self { admitted, place } = self;
        let Admitted { connection: Connection { endpoint, client }, passage, access, lane, .. } =
            admitted;
        let is_write = access == Access::Write;
        let mut request = into_client_request(request, &endpoint.host)?;
        *request.timeout_mut() = Some(STREAM_DEADLINE);
        let mut pump = Pump::new(upload, &mut request);
        let idle = Duration::from_millis(endpoint.limits.request_timeout_ms);
        let head = {
            let mut execute = pin!(client.execute(request));
            loop {
                let step = async {
                    tokio::select! {
                        biased;
                        head = &mut execute => Some(head),
                        () = pump.step() => None,
                    }
                };
                match tokio::time::timeout(idle, step).await {
                    Ok(None) => {}
                    Ok(Some(Ok(response))) => break Ok(response),
                    Ok(Some(Err(error))) => break Err(Failure::from_client(error, is_write)),
                    Err(_) => {
                        pump.broken_off |= pump.starves;
                        break Err(Failure::timed_out(is_write));
                    }
                }
            }
        };
        judge(endpoint, passage, &head, pump.broken_off);
        tracing::debug!(
            account = %endpoint.account,
            lane = ?lane,
            status = head.as_ref().map_or(0, |response| response.status().as_u16()),
            failure = head.as_ref().err().map(|failure| tracing::field::debug(failure.kind)),
            "the platform answered a streamed request, or failed to"
        );
        // A request that is not whole does nothing.
        let broken_off = |_| Failure::unsent(FailureKind::BrokenOff);
        let response = if pump.broken_off { head.map_err(broken_off)? } else { head? };
        let left_bytes = endpoint.limits.body_limit_bytes as u64;
        if response.content_length().is_some_and(|length| length > left_bytes) {
            return Err(too_large(is_write));
        }
        Ok(Streamed {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            length_bytes: announced(&response),
            body: Download { response, pump, idle, left_bytes, is_write, _place: place },
        })
    }
}

impl Streamed {
    /// A header of the answer; None when it is absent or no text.
    pub fn header(&self, lower_case_name: &str) -> Option<&str> {
        self.headers.get(lower_case_name)?.to_str().ok()
    }
}

impl Download {
    /// The next piece; None at the end.
    ///
    /// # Errors
    /// When the platform breaks off, is silent for too long, or sends more than the account's
    /// limit. Nothing follows then.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let step = async {
                tokio::select! {
                    biased;
                    chunk = self.response.chunk() => Some(chunk),
                    () = self.pump.step() => None,
                }
            };
            let chunk = match tokio::time::timeout(self.idle, step).await {
                Ok(None) => continue,
                Ok(Some(chunk)) => chunk,
                Err(_) => return Err(Failure::timed_out(self.is_write)),
            };
            let chunk = chunk.map_err(|error| Failure::from_client(error, self.is_write))?;
            let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            self.left_bytes =
                self.left_bytes.checked_sub(length).ok_or_else(|| too_large(self.is_write))?;
            return Ok(chunk);
        }
    }

    /// The pieces one after the other; the first error is the last item.
    pub fn into_stream(self) -> LocalBoxStream<'static, Result<Bytes, Failure>> {
        let next = async |download: Option<Self>| {
            let mut download = download?;
            match download.chunk().await {
                Ok(chunk) => Some((Ok(chunk?), Some(download))),
                Err(failure) => Some((Err(failure), None)),
            }
        };
        stream::unfold(Some(self), next).boxed_local()
    }
}

impl Pump {
    fn new(upload: Option<Upload>, request: &mut reqwest::Request) -> Self {
        let Some(upload) = upload else {
            let upload = stream::empty().boxed_local();
            return Self { upload, sender: None, starves: false, broken_off: false };
        };
        let (sender, mut receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let body = stream::poll_fn(move |context| {
            receiver.poll_recv(context).map(|piece| match piece {
                Some(Piece::Chunk(chunk)) => Some(Ok(chunk)),
                Some(Piece::End) => None,
                None => Some(Err(BrokenOff)),
            })
        });
        *request.body_mut() = Some(reqwest::Body::wrap_stream(body));
        Self { upload, sender: Some(sender), starves: false, broken_off: false }
    }

    /// Moves one piece; waits for ever when there is nothing to move. Loses nothing when dropped.
    async fn step(&mut self) {
        let Some(sender) = &self.sender else { return std::future::pending().await };
        let Ok(room) = sender.reserve().await else {
            // The platform has answered and reads no further.
            self.sender = None;
            return;
        };
        self.starves = true;
        let next = self.upload.next().await;
        self.starves = false;
        match next {
            Some(Ok(chunk)) => return room.send(Piece::Chunk(chunk)),
            None => room.send(Piece::End),
            Some(Err(BrokenOff)) => {
                drop(room);
                self.broken_off = true;
            }
        }
        self.sender = None;
    }
}

/// What the head of the answer, or its lack, says about the platform's health.
fn judge(
    endpoint: &Endpoint,
    passage: Passage<'_>,
    head: &Result<reqwest::Response, Failure>,
    broken_off: bool,
) {
    let now = endpoint.clock.now();
    match head {
        Ok(response) if matches!(response.status().as_u16(), 502..=504) => passage.failed(now),
        Ok(response) => {
            let pause = asked_wait(response, &endpoint.clock);
            if let (429, Some(pause)) = (response.status().as_u16(), pause) {
                endpoint.pacer.pause(pause);
            }
            passage.succeeded();
        }
        // The client's doing, which says nothing about the platform.
        Err(_) if broken_off => drop(passage),
        Err(_) => passage.failed(now),
    }
}

/// As the head says it, also where an answer has no body (HEAD).
fn announced(response: &reqwest::Response) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(is_write: bool) -> Failure {
    Failure { may_have_acted: is_write, ..Failure::unsent(FailureKind::TooLarge) }
}
