//! A request's body, which is read when everything was checked that can be without it.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{Stream, StreamExt as _};

use super::Doorway;
use super::connections::{Complete, Connection};
use super::refusals::Reason;
use super::room::{Kind, Place};
use crate::config::ListenerLimits;

/// Memory is taken piece by piece as a body comes. All pieces are of one size, so that what a body gives
/// up serves the next: of one that doubles what it has, each former size stays with the allocator.
const PIECE_BYTES: usize = 8 * 1024;

/// Who answers requests on a part of a listener, and whose bodies it reads.
pub trait Admits: 'static {
    /// On what terms the body is read; None when it is not, because whatever can be checked without
    /// it refuses the request.
    fn admit(&self, request: &HttpRequest) -> impl Future<Output = Option<Terms>>;

    fn doorway(&self) -> &Doorway;
}

/// How a body is read.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub kind: Kind,
    pub limit_bytes: usize,
}

/// The body of a request to `A`, as far as it may be read. As an argument of a handler it is the only
/// way to a body, so none is read before its sender is known.
pub struct Body<A> {
    pub read: Result<Received, Unread>,
    of: PhantomData<A>,
}

/// A body that is complete. Its memory is counted until nobody has its bytes any more.
pub struct Received {
    pub bytes: Bytes,
    place: Option<Arc<Place>>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("it was not looked at")]
    NotAdmitted,
    #[error("the body is longer than it may be")]
    TooLong,
    #[error("the body came too slowly")]
    TooSlow,
    #[error("too many bodies are being read; send it again")]
    NoRoom,
    #[error("the body was cut off")]
    BrokenOff,
}

/// The bytes, and what is held for them.
struct Kept {
    bytes: Vec<u8>,
    _place: Arc<Place>,
    _connection: Option<Complete>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<A: Admits> FromRequest for Body<A> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let place = request.app_data::<Data<A>>().cloned();
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let read = async {
                let place = place.as_ref().ok_or(Unread::NotAdmitted)?;
                let terms = place.admit(&request).await.ok_or(Unread::NotAdmitted)?;
                place.doorway().read(&request, payload, terms).await
            };
            Ok(Self { read: read.await, of: PhantomData })
        })
    }
}

impl Received {
    /// The body's sender is known now.
    pub fn prove(&self, kind: Kind) {
        if let Some(place) = &self.place {
            place.count_as(kind);
        }
    }
}

impl Unread {
    /// What HTTP says of it, where the API has no word of its own.
    pub fn status(self) -> StatusCode {
        match self {
            Unread::NotAdmitted => StatusCode::UNAUTHORIZED,
            Unread::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Unread::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Unread::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Unread::BrokenOff => StatusCode::BAD_REQUEST,
        }
    }

    /// When the request may be sent again, where that helps.
    pub fn retry_after(self) -> Option<Duration> {
        (self == Unread::NoRoom).then_some(Duration::from_secs(1))
    }

    fn reason(self) -> Option<Reason> {
        match self {
            Unread::NotAdmitted => None,
            Unread::TooLong => Some(Reason::BodyTooLong),
            Unread::TooSlow => Some(Reason::BodyTooSlow),
            Unread::NoRoom => Some(Reason::NoRoom),
            Unread::BrokenOff => Some(Reason::BodyBrokenOff),
        }
    }
}

impl Doorway {
    /// Reads a body within its limit, its deadline and its share of the memory; refusals are counted.
    ///
    /// # Errors
    /// Why it is not complete. What announces that it is too long is not read at all.
    pub async fn read(
        &self,
        request: &HttpRequest,
        payload: Payload,
        terms: Terms,
    ) -> Result<Received, Unread> {
        let read = self.read_within(request, payload, terms).await;
        if let Err(unread) = read
            && let Some(reason) = unread.reason()
        {
            self.refused(request, reason);
        }
        read
    }

    async fn read_within(
        &self,
        request: &HttpRequest,
        payload: Payload,
        terms: Terms,
    ) -> Result<Received, Unread> {
        let announced = announced_bytes(request);
        if announced.is_some_and(|length| length > terms.limit_bytes as u64) {
            return Err(Unread::TooLong);
        }
        if matches!(payload, Payload::None) || announced == Some(0) {
            return Ok(Received { bytes: Bytes::new(), place: None });
        }
        let longest = announced.and_then(|length| usize::try_from(length).ok());
        let longest = longest.unwrap_or(terms.limit_bytes).min(terms.limit_bytes);
        let place = self.entrance.room.place(terms.kind);
        let bytes = tokio::select! {
            biased;
            bytes = self.collect(payload, &place, longest) => bytes?,
            () = place.taken() => return Err(Unread::NoRoom),
        };
        place.complete();
        let place = Arc::new(place);
        let connection = request.conn_data::<Arc<Connection>>().map(Connection::complete);
        let kept = Kept { bytes, _place: Arc::clone(&place), _connection: connection };
        Ok(Received { bytes: Bytes::from_owner(kept), place: Some(place) })
    }

    async fn collect(
        &self,
        payload: Payload,
        place: &Place,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, Unread> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut length = 0;
        let mut chunks = std::pin::pin!(self.in_time(payload));
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            length += chunk.len();
            if length > limit_bytes {
                return Err(Unread::TooLong);
            }
            let held = length.next_multiple_of(PIECE_BYTES).min(limit_bytes);
            place.grow(held).map_err(|_| Unread::NoRoom)?;
            let mut left = chunk.as_ref();
            while !left.is_empty() {
                match pieces.last_mut().filter(|last| last.len() < PIECE_BYTES) {
                    Some(last) => {
                        let fits = left.len().min(PIECE_BYTES - last.len());
                        last.extend_from_slice(&left[..fits]);
                        left = &left[fits..];
                    }
                    None => pieces.push(Vec::with_capacity(PIECE_BYTES.min(limit_bytes))),
                }
            }
        }
        Ok(joined(pieces, length))
    }

    /// The chunks of a body, until they come too slowly.
    pub fn in_time(&self, payload: Payload) -> impl Stream<Item = Result<Bytes, Unread>> + use<> {
        let clock = self.entrance.clock.clone();
        let (begun, patience) = (clock.now(), self.limits.body_timeout);
        futures_util::stream::unfold((payload, 0_u64), move |(mut payload, received)| {
            let earned = Duration::from_secs(received / ListenerLimits::BODY_BYTES_PER_S);
            let passed = Duration::try_from(clock.now().duration_since(begun)).unwrap_or_default();
            let left = (patience + earned).saturating_sub(passed);
            async move {
                let chunk = match tokio::time::timeout(left, payload.next()).await {
                    Ok(None) => return None,
                    Ok(Some(Ok(chunk))) => Ok(chunk),
                    Ok(Some(Err(_))) => Err(Unread::BrokenOff),
                    Err(_) => Err(Unread::TooSlow),
                };
                let received =
                    received + chunk.as_ref().map_or(0, |chunk: &Bytes| chunk.len() as u64);
                Some((chunk, (payload, received)))
            }
        })
    }
}

/// Each piece goes when it was copied.
fn joined(mut pieces: Vec<Vec<u8>>, length: usize) -> Vec<u8> {
    if pieces.len() < 2 {
        return pieces.pop().unwrap_or_default();
    }
    let mut whole = Vec::with_capacity(length);
    for piece in pieces {
        whole.extend_from_slice(&piece);
    }
    whole
}

/// The length that a request announces.
fn announced_bytes(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
