//! Ports on loopback.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::{Context as _, Result};
use tracing::info;

/// The port that `server` used last (as [`remember`]ed in its home), else its usual one, else any; the first free one.
pub(super) fn choose(home: &Path, server: &str, usual: u16) -> Result<u16> {
    let last = fs::read_to_string(home.join("port")).ok().and_then(|port| port.trim().parse().ok());
    if let Some(port) = last.into_iter().chain([usual]).find(|&port| is_free(port)) {
        return Ok(port);
    }
    let port = any()?;
    info!("port {} is taken: {server} listens on {port}", last.unwrap_or(usual));
    Ok(port)
}

/// A free port below those that the system hands out to outgoing connections.
pub(super) fn any() -> Result<u16> {
    (0..1000)
        .map(|_| 20_000 + (uuid::Uuid::new_v4().as_u128() % 12_000) as u16)
        .find(|&port| is_free(port))
        .context("no free port between 20000 and 32000")
}

pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

pub(super) fn remember(home: &Path, port: u16) -> Result<()> {
    let file = home.join("port");
    fs::write(&file, port.to_string()).with_context(|| format!("cannot write {}", file.display()))
}
