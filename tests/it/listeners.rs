//! What the listeners offer whoever connects with TLS.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use dialbridge::config::TlsFiles;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::support::TestApp;
use crate::support::config::tls_file;

/// What a listener agrees to with a client that would rather speak HTTP/2.
fn agreed(at: SocketAddr) -> Option<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(tls_file("authority.pem")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::from(at.ip());
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(at).unwrap();
    Stream::new(&mut client, &mut socket).flush().unwrap();
    while client.is_handshaking() {
        client.complete_io(&mut socket).unwrap();
    }
    client.alpn_protocol().map(<[u8]>::to_vec)
}

/// The server's HTTP/2 is one with a known fault, so nobody gets it.
#[tokio::test]
async fn clients_are_offered_http_1_alone() {
    let app = TestApp::simulators(|config| {
        let tls = || {
            Some(TlsFiles {
                certificate_file: tls_file("server.pem"),
                key_file: tls_file("server.key.pem"),
            })
        };
        config.listeners.facades.tls = tls();
        config.listeners.callbacks.tls = tls();
    })
    .await
    .serve()
    .await;
    for listener in [app.facades(), app.callbacks()] {
        let at: SocketAddr = listener.strip_prefix("http://").unwrap().parse().unwrap();
        let agreed = tokio::task::spawn_blocking(move || agreed(at)).await.unwrap();
        assert_eq!(agreed.as_deref(), Some(&b"http/1.1"[..]), "{listener}");
    }
    app.finish().await;
}
