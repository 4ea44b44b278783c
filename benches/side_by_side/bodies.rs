//! Memory that the gateway holds for bodies of those who have proved nothing: half of them bear no
//! credential, half a signature that can only be checked when the body is complete.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::gateway::{Gateway, SIGNER};
use crate::report::Report;
use crate::upstream;

const BODIES: usize = 500;
const BODY_BYTES: usize = 8 * 1024 * 1024;
const WATCHED: Duration = Duration::from_secs(6);

pub fn run(report: &mut Report) {
    let gateway = Gateway::start_for_results(upstream::start());
    gateway.campaign_paths("");
    let signed_at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let signature = format!("auth-v2/{SIGNER}/{signed_at}/host/{}", "0".repeat(64));
    let senders: Vec<_> = (0..BODIES)
        .map(|number| {
            let head = if number % 2 == 0 {
                "POST /v1.0/campaigns HTTP/1.1\r\n".to_owned()
            } else {
                format!(
                    "POST /rest/isales/v2/openapi/campaigns/11 HTTP/1.1\r\nAuthorization: {signature}\r\n"
                )
            };
            let address = gateway.address;
            std::thread::spawn(move || dribble(address, &head))
        })
        .collect();
    let begun = Instant::now();
    let mut most_mb: f64 = 0.0;
    while begun.elapsed() < WATCHED {
        most_mb = most_mb.max(gateway.resident_mb());
        std::thread::sleep(Duration::from_millis(20));
    }
    report.at_most("500 unauthenticated bodies, resident memory", most_mb, 150.0, "MB");
    drop(gateway);
    for sender in senders {
        sender.join().unwrap();
    }
}

/// Sends all but the end of a body, as long as it is taken.
fn dribble(address: SocketAddr, head: &str) {
    let Ok(mut stream) = TcpStream::connect(address) else { return };
    let head = format!("{head}Host: 127.0.0.1\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = stream.write_all(head.as_bytes());
    for _ in 1..BODY_BYTES / chunk.len() {
        // Who is turned away goes, too.
        if sent.is_err() {
            return;
        }
        sent = stream.write_all(&chunk);
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(WATCHED);
}
