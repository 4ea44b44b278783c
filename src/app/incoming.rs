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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::ListenerLimits;
use crate::http::entrance::{Connection, Gate};

/// Bytes that are read before what came is looked at: what nobody wants is not gathered.
const READ_AT_ONCE_BYTES: usize = 16 * 1024;
/// Who is answered before all of a body has come gets this long to take the answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// A client that sends its next request sooner finds its connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What serves the sockets of one listener in one worker.
pub(super) type Incomings = boxed::BoxServiceFactory<(), TcpStream, (), (), ()>;

/// A socket, and what is known of its connection.
struct Incoming {
    socket: TcpStream,
    connection: Arc<Connection>,
    read_bytes: usize,
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
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let limits = gate.limits();
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
            (service.call(Incoming { socket, connection, read_bytes: 0 }), admission)
        });
        async move {
            let Some((serving, admission)) = serving else { return Ok(()) };
            tokio::select! {
                served = serving => served,
                () = admission.over() => Ok(()),
            }
        }
    }))
}

/// One stream's requests, boxed: what is inside has no name.
type Requests<IO> = boxed::BoxServiceFactory<(), IO, (), (), ()>;

fn http<IO, S, B>(limits: ListenerLimits, shutdown: GracefulShutdownSignal, app: S) -> Requests<IO>
where
    IO: ActixStream + Known + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let app = app.map_err(|error| -> Response<BoxBody> { error.into().error_response().into() });
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
        .h1(map_config(app, |()| AppConfig::default()));
    let named = fn_service(|stream: IO| {
        let peer = stream.incoming().socket.peer_addr().ok();
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
        let this = self.get_mut();
        if this.read_bytes >= READ_AT_ONCE_BYTES {
            this.read_bytes = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.socket).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                this.read_bytes += buffer.filled().len() - before;
                Poll::Ready(read)
            }
            Poll::Pending => {
                this.read_bytes = 0;
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready_or_wait!(Pin::new(&mut this.socket).poll_write(cx, bytes));
        this.connection.happens();
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl ActixStream for Incoming {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.socket, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.socket, cx)
    }
}
