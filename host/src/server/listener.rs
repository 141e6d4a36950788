//! Accepting connections.

use core::net::SocketAddr;
use core::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time;

use crate::log;

/// How long to wait before the next attempt after a connection could not be accepted, for lack of file descriptors most
/// of the time.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits for the next connection, however often none can be accepted.
pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                log::warn(format_args!("a connection could not be accepted: {error}"));
                time::sleep(PAUSE).await;
            }
        }
    }
}
