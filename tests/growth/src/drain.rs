//! A server with many connections that have nothing to do: what each costs in memory, and how long it takes to let them go.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::routing::get;
use comparison::summary::median;
use rustix::process::{Pid, Signal, kill_process};
use sockprove::load::raise_descriptor_limit;

use crate::series::{Figure, Series};

const COUNTS: [usize; 7] = [10, 30, 100, 300, 1000, 3000, 10_000];

/// Servers for each measurement that is asked for: a few connections are gone in a moment, in which anything may happen.
const EACH: usize = 3;

/// What is measured of a server with so many connections.
struct Seen {
    /// KiB beyond what the server has without them.
    memory: f64,
    /// From SIGTERM to its end, in milliseconds.
    drain: f64,
}

/// A page more or less says nothing of a few.
const FEWEST_WITH_MEMORY: usize = 100;

pub(crate) fn figures(points: usize, times: usize) -> Result<[Figure; 2]> {
    let (mut drains, mut ours, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let times = times * EACH;
    // The first ones have no memory to tell of.
    for count in COUNTS.into_iter().take(points.saturating_add(2)) {
        eprintln!("{count} connections");
        let seen = (0..times).map(|_| seen("sockact", count)).collect::<Result<Vec<_>>>()?;
        drains.push((count, middle(seen.iter().map(|seen| seen.drain))?));
        if count < FEWEST_WITH_MEMORY {
            continue;
        }
        ours.push((count, middle(seen.iter().map(|seen| seen.memory))?));
        let seen = (0..times).map(|_| self::seen("bare", count)).collect::<Result<Vec<_>>>()?;
        bare.push((count, middle(seen.iter().map(|seen| seen.memory))?));
    }
    Ok([time(drains), memory(ours, bare)])
}

fn time(points: Vec<(usize, f64)>) -> Figure {
    Figure {
        file: "growth-drain.svg",
        title: "A drain, by the connections that are open",
        of: "connections",
        unit: "ms",
        each: None,
        how: "From SIGTERM to the end of the process. One client has all connections, asks once more on each, one after the other, and closes its side when the \
            answer has said that the connection ends. (One that does not is waited for, for a time that does not depend on how many there are.)",
        series: vec![Series { name: "drain", points, is_proportional: true }],
    }
}

fn memory(ours: Vec<(usize, f64)>, bare: Vec<(usize, f64)>) -> Figure {
    Figure {
        file: "growth-memory.svg",
        title: "Memory of the open connections",
        of: "connections",
        unit: "KiB",
        each: Some("a connection"),
        how: "Resident memory of the server beyond what it has with one connection, when each has had an answer: `sockact::serve` with its drain, and bare `axum::serve`.",
        series: vec![
            Series { name: "sockact::serve", points: ours, is_proportional: true },
            Series { name: "axum::serve", points: bare, is_proportional: true },
        ],
    }
}

/// The child's part: serves until SIGTERM.
pub(crate) fn serve(kind: &str) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let router = Router::new().route("/", get(|| async { "hello" }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match kind {
            "sockact" => drop(sockact::serve(listener, router).await?),
            "bare" => axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?,
            _ => bail!("no such server: {kind}"),
        }
        Ok(())
    })
}

fn middle(values: impl Iterator<Item = f64>) -> Result<f64> {
    median(values).context("nothing was measured")
}

fn seen(kind: &str, count: usize) -> Result<Seen> {
    let mut server = Server::start(kind)?;
    // Its first connection brings what all need.
    let mut clients = vec![server.client()?];
    let before = server.resident()?;
    for _ in 0..count {
        clients.push(server.client()?);
    }
    let memory = server.resident()?.saturating_sub(before) as f64;
    let drain = match kind {
        "sockact" => server.drained(clients)?,
        _ => 0.0,
    };
    Ok(Seen { memory, drain })
}

/// One more request and its answer.
fn ask(client: &mut TcpStream) -> Result<String> {
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut part = [0; 512];
        let read = client.read(&mut part)?;
        ensure!(read > 0, "closed before the answer");
        answer.extend(&part[..read]);
    }
    Ok(String::from_utf8(answer)?)
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(kind: &str) -> Result<Self> {
        raise_descriptor_limit();
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(["serve", kind]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("a pipe")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim_end().parse()? })
    }

    /// A connection that has had an answer.
    fn client(&self) -> Result<TcpStream> {
        let mut client = TcpStream::connect(self.address)?;
        ask(&mut client)?;
        Ok(client)
    }

    /// KiB.
    fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Tells it to stop, and each client asks once more, hears that the connection ends, sees its end and goes. Milliseconds.
    fn drained(&mut self, mut clients: Vec<TcpStream>) -> Result<f64> {
        let began = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        // Until it has heard the signal, it does not say that it ends.
        let (first, others) = clients.split_first_mut().context("no client")?;
        while !says_close(&ask(first)?) {}
        for client in others.iter_mut() {
            ensure!(says_close(&ask(client)?), "the answer does not say that the connection ends");
        }
        for mut client in clients {
            ensure!(client.read(&mut [0; 1])? == 0, "more came than the answer");
        }
        ensure!(self.child.wait()?.success(), "the server failed");
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }
}

fn says_close(answer: &str) -> bool {
    answer.to_ascii_lowercase().contains("connection: close")
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(value: fn(f64) -> f64) -> Vec<(usize, f64)> {
        COUNTS.iter().map(|&count| (count, value(count as f64))).collect()
    }

    fn is_fine(figure: &Figure) -> bool {
        figure.series.iter().all(|series| series.fault().is_none())
    }

    /// 330 ms for ten thousand is what it takes.
    #[test]
    fn a_drain_of_all_connections_for_each_is_seen_whatever_it_waits_for() {
        assert!(is_fine(&time(points(|count| 1.5 + count * 0.033))));
        assert!(!is_fine(&time(points(|count| 1.5 + count * count * 3.3e-6))));
        assert!(!is_fine(&time(points(|count| 2000.0 + count * count * 3.3e-6))));
        assert!(!is_fine(&time(points(|count| 2000.0 + count * 0.033))));
    }

    #[test]
    fn memory_of_all_connections_in_each_is_seen() {
        let linear = || points(|count| count * 9.0);
        assert!(is_fine(&memory(linear(), linear())));
        assert!(!is_fine(&memory(points(|count| count * 9.0 + count * count * 1e-2), linear())));
    }
}
