//! A long way to a store: a TCP proxy that hands on every piece of a connection a fixed time after it came, in both directions.
//!
//! Pieces do not wait for each other, so a connection carries as much as ever, only later; as a long cable does. That
//! a connection is made takes no time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces on their way in one direction of one connection: 64 MiB, more than any connection here sends within a delay.
const PIECES_UNDER_WAY_MAX: usize = 1024;

/// Takes connections to a store until the process is told to stop.
pub(crate) async fn serve(listen: SocketAddr, store: SocketAddr, delay: Duration) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await?;
        connections.spawn(async move {
            let carried = carry(near, store, delay).await;
            drop(carried); // Either side may close; what went wrong for it, it says itself.
        });
        while connections.try_join_next().is_some() {} // Forgets those that ended.
    }
}

async fn carry(near: TcpStream, store: SocketAddr, delay: Duration) -> std::io::Result<()> {
    let far = TcpStream::connect(store).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::try_join!(one_way(from_near, to_far, delay), one_way(from_far, to_near, delay))?;
    Ok(())
}

async fn one_way(from: OwnedReadHalf, to: OwnedWriteHalf, delay: Duration) -> std::io::Result<()> {
    let (sender, pieces) = mpsc::channel(PIECES_UNDER_WAY_MAX);
    tokio::try_join!(take(from, sender, delay), hand_on(pieces, to))?;
    Ok(())
}

async fn take(
    mut from: OwnedReadHalf,
    pieces: mpsc::Sender<(Instant, Bytes)>,
    delay: Duration,
) -> std::io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE_BYTES);
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        if pieces.send((Instant::now() + delay, buffer.split().freeze())).await.is_err() {
            return Ok(()); // The other side takes no more.
        }
    }
}

/// The end of the pieces, which is the end of one direction, is handed on at once: nobody here waits for it.
async fn hand_on(
    mut pieces: mpsc::Receiver<(Instant, Bytes)>,
    mut to: OwnedWriteHalf,
) -> std::io::Result<()> {
    while let Some((due, piece)) = pieces.recv().await {
        sleep_until(due).await;
        to.write_all(&piece).await?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests;
