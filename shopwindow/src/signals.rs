//! The signals that ask this program to stop.

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// From now on SIGINT, SIGTERM and SIGHUP cancel the token instead of ending the program; the receiver gets each of
/// them, for whoever has to pass them on.
pub(crate) fn listen() -> std::io::Result<(CancellationToken, mpsc::UnboundedReceiver<Signal>)> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let cancel = CancellationToken::new();
    let (sender, receiver) = mpsc::unbounded_channel();
    let cancelled = cancel.clone();
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = interrupt.recv() => Signal::SIGINT,
                _ = terminate.recv() => Signal::SIGTERM,
                _ = hangup.recv() => Signal::SIGHUP,
            };
            cancelled.cancel();
            // Nobody has to listen.
            let _ = sender.send(signal);
        }
    });
    Ok((cancel, receiver))
}
