//! From an accepted socket to requests: the gate, then TLS where the listener has it, then HTTP/1.1.
//! A connection is counted before anything is read from it; a silent handshake is one, too.

use std::fmt;
use std::future::ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as ready_or_wait};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_server::GracefulShutdownSignal;
use actix_service::{
    Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, boxed, fn_service,
    map_config,
};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::AppConfig;
use actix_web::rt::net::{ActixStream, Ready, TcpStream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};

use crate::config::ListenerLimits;
use crate::http::entrance::{Connection, Gate};

/// Bytes that are read before what came is looked at: what nobody wants is not gathered. With so many
/// the buffer of a connection, which doubles from 8 KiB whenever less than 1 KiB of it is free, stays at
/// 16 KiB; a read as long as the buffer would double it up to 256 KiB, however little is kept of it.
const READ_AT_ONCE_BYTES: u64 = 15 * 1024;
/// Who is answered before all of a body has come gets this long to take the answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// A client that sends its next request sooner finds its connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What serves the sockets of one listener in one worker.
pub(super) type Incomings = boxed::BoxServiceFactory<(), TcpStream, (), (), ()>;

/// A socket, and what is known of its connection.
struct Incoming {
    /// It hands out what may be read until what came is looked at.
    socket: Take<TcpStream>,
    connection: Arc<Connection>,
}

/// A stream that knows its connection.
trait Known {
    fn incoming(&self) -> &Incoming;
}

impl Known for Incoming {
    fn incoming(&self) -> &Incoming {
        self
    }
}

impl Known for TlsStream<Incoming> {
    fn incoming(&self) -> &Incoming {
        self.get_ref().0
    }
}

/// Has `app` answer what comes in through the gate.
pub(super) fn serve<S, B>(
    gate: &Arc<Gate>,
    tls: Option<Acceptor>,
    shutdown: GracefulShutdownSignal,
    app: S,
) -> Incomings
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug + 'static,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let limits = gate.limits();
    let app = map_config(app, |()| AppConfig::default())
        .map(|answer| answer.into().map_into_boxed_body())
        .map_err(|error| error.into().error_response().into())
        .map_init_err(|error| tracing::error!(?error, "a worker cannot answer"));
    let app = boxed::factory(app);
    match tls {
        None => gated(gate, http(limits, shutdown, app)),
        Some(mut tls) => {
            tls.set_handshake_timeout(limits.head_timeout);
            let tls = tls.map_err(drop).map_init_err(drop);
            gated(gate, tls.and_then(http(limits, shutdown, app)))
        }
    }
}

/// Serves connections that the gate lets in, until they have to make room.
fn gated<F>(gate: &Arc<Gate>, inner: F) -> Incomings
where
    F: ServiceFactory<Incoming, Config = (), Response = (), Error = (), InitError = ()> + 'static,
    F::Future: 'static,
    F::Service: 'static,
    <F::Service as Service<Incoming>>::Future: 'static,
{
    let gate = Arc::clone(gate);
    boxed::factory(apply_fn_factory(inner, move |socket: TcpStream, service: &F::Service| {
        let admission = socket.peer_addr().ok().and_then(|peer| gate.admit(peer.ip()));
        let serving = admission.map(|admission| {
            let connection = Arc::clone(&admission.connection);
            let socket = socket.take(READ_AT_ONCE_BYTES);
            (service.call(Incoming { socket, connection }), admission)
        });
        async move {
            let Some((serving, admission)) = serving else { return Ok(()) };
            tokio::select! {
                biased;
                served = serving => served,
                () = admission.over() => Ok(()),
            }
        }
    }))
}

/// What answers requests, whatever it is made of.
type Answers = boxed::BoxServiceFactory<(), Request, Response<BoxBody>, Response<BoxBody>, ()>;

/// One stream's requests, boxed: what is inside has no name.
type Requests<IO> = boxed::BoxServiceFactory<(), IO, (), (), ()>;

fn http<IO>(
    limits: ListenerLimits,
    shutdown: GracefulShutdownSignal,
    answers: Answers,
) -> Requests<IO>
where
    IO: ActixStream + Known + 'static,
{
    let requests = HttpService::build()
        .graceful_shutdown_signal(move || {
            let shutdown = shutdown.clone();
            async move { shutdown.notified().await }
        })
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .client_request_timeout(limits.head_timeout)
        .client_disconnect_timeout(LAST_ANSWER)
        .on_connect_ext(|stream: &IO, of_connection| {
            of_connection.insert(Arc::clone(&stream.incoming().connection));
        })
        .h1(answers);
    let named = fn_service(|stream: IO| {
        let peer = stream.incoming().socket.get_ref().peer_addr().ok();
        ready(Ok::<_, ()>((stream, peer)))
    });
    boxed::factory(named.and_then(requests.map_err(drop)))
}

impl AsyncRead for Incoming {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &mut self.get_mut().socket;
        if socket.limit() == 0 {
            socket.set_limit(READ_AT_ONCE_BYTES);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut *socket).poll_read(cx, buffer);
        if read.is_pending() {
            socket.set_limit(READ_AT_ONCE_BYTES);
        }
        read
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready_or_wait!(Pin::new(this.socket.get_mut()).poll_write(cx, bytes));
        this.connection.happens();
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().socket.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().socket.get_mut()).poll_shutdown(cx)
    }
}

impl ActixStream for Incoming {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.socket.get_ref(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.socket.get_ref(), cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// The buffer of a connection grows by what one look at it brings.
    #[tokio::test]
    async fn a_look_brings_no_more_than_is_read_at_once_whatever_the_buffer_has_room_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let sent = 10 * usize::try_from(READ_AT_ONCE_BYTES).unwrap() + 1;
        let socket = socket.take(READ_AT_ONCE_BYTES);
        let mut incoming = Incoming { socket, connection: Arc::default() };
        let bytes = vec![b'x'; sent];
        let looking = async {
            let (mut received, mut looks) = (0, 0);
            while received < sent {
                let one_look = std::future::poll_fn(|cx| {
                    let mut memory = vec![0; 2 * sent];
                    let mut buffer = ReadBuf::new(&mut memory);
                    loop {
                        let before = buffer.filled().len();
                        match Pin::new(&mut incoming).poll_read(cx, &mut buffer) {
                            // The look is over, or nothing has come yet: both wake the task.
                            Poll::Pending if before == 0 => return Poll::Pending,
                            Poll::Pending => return Poll::Ready(before),
                            Poll::Ready(read) => read.unwrap(),
                        }
                        assert!(buffer.filled().len() > before, "the connection has not ended");
                    }
                });
                let brought = one_look.await;
                assert!(brought as u64 <= READ_AT_ONCE_BYTES, "{brought}");
                received += brought;
                looks += 1;
            }
            (received, looks)
        };
        let (written, (received, looks)) = tokio::join!(client.write_all(&bytes), looking);
        written.unwrap();
        assert_eq!(received, sent);
        assert!(looks > 10);
    }
}
