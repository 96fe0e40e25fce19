//! Questions to a slot in HTTP/1.1, at an address that only this slot can answer: its admin socket, or one that it opens itself.

use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use sockgen::{Address, App, SlotName, UnitName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::plan::Invocation;
use crate::systemd::{Run, Systemd};

/// The most that is read of an answer, in bytes. A health answer says what it has to say in less.
pub const ANSWER_LIMIT: usize = 64 * 1024;

/// What a slot says of itself at `GET /-/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Process that serves.
    pub pid: u32,
    /// `serving` or `draining`.
    pub state: String,
    /// Share of accepts it takes, 0 to 1.
    pub gate: f64,
    /// Connections open now.
    pub connections: u64,
    /// Requests being answered now.
    pub in_flight: u64,
    /// Connections accepted since its start.
    pub accepted: u64,
    /// Requests since its start.
    pub requests: u64,
}

/// Why a slot gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens, or the connection broke.
    #[error("{address}: {source}")]
    Connect {
        /// Where it was asked.
        address: Address,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Somebody else listens there, with another user id than the service manager's.
    #[error(
        "{address} is a socket of user {uid}, not of the service manager: nothing is said to it"
    )]
    Foreign {
        /// Where it was asked.
        address: Address,
        /// Whose it is.
        uid: u32,
    },
    /// It spoke no HTTP, or more of it than is read.
    #[error("{path}: no usable HTTP answer: {reason}")]
    Http {
        /// The path that was asked.
        path: String,
        /// What was wrong.
        reason: String,
    },
    /// It did not answer in time.
    #[error("{path}: no answer within {} ms", within.as_millis())]
    Timeout {
        /// The path that was asked.
        path: String,
        /// How long was waited.
        within: Duration,
    },
    /// The run that was asked is over. The socket is the service manager's, and a question there would wait for the next one.
    #[error("{unit} ended before it answered {path}")]
    Over {
        /// The slot's unit.
        unit: UnitName,
        /// The path that was asked.
        path: String,
    },
    /// It answered with another status than a success.
    #[error("{path} answered {status}{}", quoted(body))]
    Status {
        /// The path that was asked.
        path: String,
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the body.
        body: String,
    },
}

fn quoted(body: &str) -> String {
    let line = body.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return String::new();
    }
    format!(": {}", line.chars().take(200).collect::<String>().escape_debug())
}

/// Where a slot answers.
#[derive(Debug, Clone)]
pub struct Admin {
    address: Address,
    /// Whether the service manager listens there for the slot.
    activated: bool,
    /// Who is meant; without it, whoever reads.
    run: Option<Run>,
}

impl Admin {
    /// The admin socket at this path, for whoever reads there. Nothing is opened yet.
    pub fn new(socket: PathBuf) -> Self {
        Self { address: Address::Unix(socket), activated: true, run: None }
    }

    /// The admin socket of a slot, for this run of it or for whichever it is in. Nothing is opened yet.
    pub fn of(app: &App, slot: &SlotName, systemd: &Systemd, run: Option<Invocation>) -> Self {
        let run = Run::new(systemd, app.slot_unit(slot), run);
        Self { run: Some(run), ..Self::new(app.admin_path(slot)) }
    }

    /// An address that the slot opened for it. Nothing is opened yet.
    pub fn at(address: Address) -> Self {
        Self { address, activated: false, run: None }
    }

    /// Connects, and says nothing: healthy when somebody listens.
    ///
    /// # Errors
    /// When nobody does, or the connection does not come about in time.
    pub async fn connect(&self, within: Duration) -> Result<(), AdminError> {
        let path = self.address.to_string();
        tokio::time::timeout(within, self.stream())
            .await
            .map_err(|_| AdminError::Timeout { path, within })?
            .map(drop)
    }

    /// `GET /-/status`.
    ///
    /// # Errors
    /// When nobody answers, or something that does not know the question does.
    pub async fn status(&self) -> Result<Status, AdminError> {
        let body = self.ask_own(Method::GET, "/-/status", Bytes::new()).await?;
        parse("/-/status", &body)
    }

    /// Sets the share of accepts that the slot takes, 0 to 1. When this returns, the gate is in force.
    ///
    /// # Errors
    /// When the slot does not answer, or refuses: also because it is another run than the one that is meant.
    pub async fn set_gate(&self, share: f64) -> Result<Status, AdminError> {
        let run = self.run.as_ref().and_then(Run::id).map(|run| &run.0);
        let wish = serde_json::json!({ "share": share, "run": run }).to_string();
        let body = self.ask_own(Method::PUT, "/-/gate", wish.into()).await?;
        parse("/-/gate", &body)
    }

    /// A request to one of the application's own paths. 2xx and 3xx are healthy.
    ///
    /// # Errors
    /// What came instead of a healthy answer.
    pub async fn health(&self, path: &str, within: Duration) -> Result<(), AdminError> {
        self.ask(Method::GET, path, Bytes::new(), within).await.map(drop)
    }

    /// One of our own questions, until the run that is asked is over.
    async fn ask_own(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, AdminError> {
        let over = async {
            // Most answers are there before systemd could say anything.
            tokio::time::sleep(OWN_PROMPT).await;
            match &self.run {
                Some(run) if run.over().await.is_ok() => run.unit().clone(),
                // The answer's own limit ends the wait.
                _ => pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = self.ask(method, path, body, OWN_LIMIT) => answer,
            unit = over => Err(AdminError::Over { unit, path: path.into() }),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, AdminError> {
        let (status, body) = tokio::time::timeout(within, self.exchange(method, path, body))
            .await
            .map_err(|_| AdminError::Timeout { path: path.into(), within })??;
        if status.is_success() || status.is_redirection() {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(AdminError::Status { path: path.into(), status, body })
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, AdminError> {
        let address = || self.address.clone();
        let failed = |source| AdminError::Connect { address: address(), source };
        let path = match &self.address {
            Address::Tcp(at) => return Ok(Box::new(TcpStream::connect(at).await.map_err(failed)?)),
            Address::Unix(path) => path,
        };
        let stream = UnixStream::connect(path).await.map_err(failed)?;
        // Of a listening socket the kernel tells who called listen(2), see unix(7), SO_PEERCRED: the manager, whose user we are.
        let uid = stream.peer_cred().map_err(failed)?.uid();
        if self.activated && uid != rustix::process::geteuid().as_raw() {
            return Err(AdminError::Foreign { address: address(), uid });
        }
        Ok(Box::new(stream))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), AdminError> {
        let http = |reason: &dyn std::fmt::Display| AdminError::Http {
            path: path.into(),
            reason: reason.to_string(),
        };
        let stream = self.stream().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| http(&e))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "sockact")
            .header("user-agent", "sockctl")
            .header("connection", "close")
            .body(Full::new(body))
            .map_err(|e| http(&e))?;
        let talk = async {
            let answer = sender.send_request(request).await.map_err(|e| http(&e))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
            Ok((status, body.map_err(|error| http(&too_long(&*error)))?.to_bytes()))
        };
        tokio::pin!(talk);
        tokio::pin!(connection);
        tokio::select! {
            // A finished connection may have left the answer in the channel, so the talk is asked first and last.
            biased;
            result = &mut talk => result,
            _ = &mut connection => talk.await,
        }
    }
}

/// Status and gate are answered from memory: a slot that needs longer than this is stuck.
const OWN_LIMIT: Duration = Duration::from_secs(5);
/// And one that needs longer than this may be dead.
const OWN_PROMPT: Duration = Duration::from_millis(20);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

fn too_long(error: &(dyn std::error::Error + 'static)) -> String {
    if error.is::<LengthLimitError>() {
        return format!("its body is longer than {} KiB", ANSWER_LIMIT / 1024);
    }
    error.to_string()
}

fn parse(path: &str, body: &[u8]) -> Result<Status, AdminError> {
    serde_json::from_slice(body)
        .map_err(|error| AdminError::Http { path: path.into(), reason: error.to_string() })
}
