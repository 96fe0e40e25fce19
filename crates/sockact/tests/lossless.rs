//! Every kind of client at once, through fifteen switches between two real processes: nothing is
//! lost by `sockact::serve` nor by stock `axum::serve` with our drain; and the same clients see the
//! loss of a plain graceful shutdown. `cargo run --release -p sockact --features axum --example
//! lossless` gives the numbers for each kind by itself.

mod support;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use support::load::CROWDS;
use support::switches::{Server, switches};

/// Answers and losses of all crowds together.
fn check(server: Server) -> u64 {
    let mut lost = 0;
    let counts = switches(server, &CROWDS, Duration::from_millis(100));
    for (crowd, count) in CROWDS.iter().zip(counts) {
        let answered = count.answered.load(Relaxed);
        let lost_here = count.lost.load(Relaxed);
        println!("{}: {}: {answered} answered, {lost_here} lost", server.name(), crowd.name);
        if let (true, Some(how)) = (server != Server::Plain, count.how.get()) {
            println!("  the first: {how}");
        }
        // A plain shutdown may well cut every WebSocket.
        assert!(answered > 20 || server == Server::Plain, "{} hardly ran", crowd.name);
        lost += lost_here;
    }
    lost
}

#[test]
fn nothing_is_lost_and_a_plain_shutdown_shows_that_it_would_be_seen() {
    assert_eq!(check(Server::Ours), 0);
    assert_eq!(check(Server::Stock), 0);
    assert!(check(Server::Plain) > 0, "these clients cannot see a loss");
}
