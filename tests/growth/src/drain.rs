//! A server with many connections that have nothing to do: what each costs in memory, and how long it takes to let them go.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::routing::get;
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};

use crate::series::{Figure, Series, median};

const COUNTS: [usize; 7] = [10, 30, 100, 300, 1000, 3000, 10_000];

/// What is measured of a server with so many connections.
struct Seen {
    /// KiB a connection, beyond what the server has without one.
    memory: f64,
    /// From SIGTERM to its end, in milliseconds.
    drain: f64,
}

pub(crate) fn time(points: usize, times: usize) -> Result<Figure> {
    let mut all = Vec::new();
    for count in COUNTS.into_iter().take(points) {
        let seen =
            (0..times).map(|_| Ok(seen("sockact", count)?.drain)).collect::<Result<Vec<_>>>()?;
        all.push((count, median(seen)));
    }
    Ok(Figure {
        file: "growth-drain.svg",
        title: "A drain, by the connections that are open",
        of: "connections",
        unit: "ms",
        how: "From SIGTERM to the end of the process. One client has all connections, and asks once more on each, one after the other; each answer says that the connection ends.",
        series: vec![Series { name: "drain", points: all }],
    })
}

pub(crate) fn memory(points: usize, times: usize) -> Result<Figure> {
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    // A page more or less says nothing of a few.
    for count in COUNTS.into_iter().skip(2).take(points) {
        for (kind, points) in [("sockact", &mut ours), ("bare", &mut bare)] {
            let seen =
                (0..times).map(|_| Ok(seen(kind, count)?.memory)).collect::<Result<Vec<_>>>()?;
            points.push((count, median(seen)));
        }
    }
    Ok(Figure {
        file: "growth-memory.svg",
        title: "Memory of a connection",
        of: "connections",
        unit: "KiB a connection",
        how: "Resident memory of the server for each open connection that has had an answer; what `sockact::serve` has more than bare `axum::serve` is its drain.",
        series: vec![
            Series { name: "sockact::serve", points: ours },
            Series { name: "axum::serve", points: bare },
        ],
    })
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

fn seen(kind: &str, count: usize) -> Result<Seen> {
    let mut server = Server::start(kind)?;
    // Its first connection brings what all need.
    let mut clients = vec![server.client()?];
    let before = server.resident()?;
    for _ in 0..count {
        clients.push(server.client()?);
    }
    let memory = (server.resident()?.saturating_sub(before)) as f64 / count as f64;
    let drain = match kind {
        "sockact" => server.drained(&mut clients)?,
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
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
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

    /// Tells it to stop, and each client asks once more, hears that the connection ends, and sees its end. Milliseconds.
    fn drained(&mut self, clients: &mut [TcpStream]) -> Result<f64> {
        let began = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        // Until it has heard the signal, it does not say that it ends.
        let (first, others) = clients.split_first_mut().context("no client")?;
        while !says_close(&ask(first)?) {}
        for client in others.iter_mut() {
            ensure!(says_close(&ask(client)?), "the answer does not say that the connection ends");
        }
        for client in clients {
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
