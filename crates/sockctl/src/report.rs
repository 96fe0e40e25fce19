//! What a person or a program reads while a deploy goes on: a line for each step as it happens.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::terminal;

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object in each line.
    Json,
}

/// How often a wait is shown anew.
const TICK: Duration = Duration::from_millis(500);

/// Where the lines go, and the hook of `--pause-after`.
#[derive(Debug)]
pub struct Report {
    format: Format,
    /// Whether a wait is rewritten as it goes on, or said once.
    live: bool,
    pause_after: RefCell<Option<String>>,
    /// The wait that is shown on a terminal now, rewritten as it goes on.
    wait: Mutex<Option<Wait>>,
}

/// What is waited for.
#[derive(Debug)]
struct Wait {
    step: String,
    what: String,
    /// When it ends at the latest.
    until: Option<Timestamp>,
    began: Instant,
}

impl Wait {
    /// What matters most comes first: the line is cut at the terminal's edge.
    fn line(&self) -> String {
        let (step, took) = (&self.step, human(self.began.elapsed()));
        let until = self.until.map(|end| format!("until {}: ", clock(end))).unwrap_or_default();
        format!("  {step:<9} {took:>9}  … {until}{}", self.what)
    }
}

/// An end of a wait, for people.
fn clock(end: Timestamp) -> impl Display {
    end.strftime("%H:%M:%SZ")
}

impl Report {
    /// Writes to standard output in this format; stops the process after the named step, the first time.
    pub fn new(format: Format, pause_after: Option<String>) -> Self {
        let live = format == Format::Text && terminal::is_one();
        Self { format, live, pause_after: RefCell::new(pause_after), wait: Mutex::new(None) }
    }

    /// The format asked for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The first line: what is going to happen.
    pub fn begin(&self, text: &str, object: Value) {
        self.over();
        match self.format {
            Format::Text => line(&text),
            Format::Json => line(&with(object, "event", json!("begin"))),
        }
    }

    /// Says what is waited for, before the wait.
    pub fn waits(&self, step: &str, what: &dyn Display) {
        match self.format {
            Format::Text if self.live => self.show(step, what.to_string(), None),
            Format::Text => line(&format!("  {step:<9}       …  {what}")),
            Format::Json => {
                line(&json!({"event": "wait", "step": step, "detail": what.to_string()}));
            }
        }
    }

    /// Says it on a terminal alone: what fails at once had no wait to tell of.
    pub fn busy(&self, step: &str, what: String) {
        if self.live {
            self.show(step, what, None);
        }
    }

    /// Says what is waited for, with the end of the wait at the latest.
    pub fn waits_for(&self, step: &str, what: &str, time: Duration) {
        let end = Timestamp::now() + SignedDuration::try_from(time).unwrap_or_default();
        match self.format {
            Format::Text if self.live => self.show(step, what.to_owned(), Some(end)),
            Format::Text => {
                let (length, until) = (human(time), clock(end));
                self.waits(step, &format!("{what}; {length} at most, until {until}"));
            }
            Format::Json => line(&json!({
                "event": "wait", "step": step, "detail": what,
                "at_most_ms": u64::try_from(time.as_millis()).unwrap_or(u64::MAX), "until": end,
            })),
        }
    }

    fn show(&self, step: &str, what: String, until: Option<Timestamp>) {
        *self.wait() = Some(Wait { step: step.into(), what, until, began: Instant::now() });
        self.tick();
    }

    /// What a drain still waits for.
    pub fn left(&self, step: &str, connections: u64, in_flight: u64) {
        if let Some(wait) = &mut *self.wait() {
            wait.what = format!("{connections} connections, {in_flight} requests left");
        }
        if self.format == Format::Json {
            line(&json!({
                "event": "progress", "step": step, "connections": connections, "in_flight": in_flight,
            }));
        }
        self.tick();
    }

    /// Rewrites the line of the present wait with the time that it has taken. Only ever on a terminal.
    pub fn tick(&self) {
        if let Some(wait) = &*self.wait() {
            let _ = terminal::rewrite(&wait.line());
        }
    }

    /// Goes on with [`Report::tick`] for as long as it is asked.
    pub async fn ticks(&self) -> Infallible {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            self.tick();
        }
    }

    fn wait(&self) -> MutexGuard<'_, Option<Wait>> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wait is over: what comes now takes its line.
    fn over(&self) {
        if self.wait().take().is_some() {
            let _ = terminal::erase();
        }
    }

    /// A step is done.
    pub fn done(&self, step: &str, took: Duration, detail: &str) {
        self.step(step, took, detail, true);
    }

    /// A step failed; what that means stands in the last line.
    pub fn failed(&self, step: &str, took: Duration, detail: &str) {
        self.step(step, took, detail, false);
    }

    fn step(&self, step: &str, took: Duration, detail: &str, ok: bool) {
        self.over();
        match self.format {
            Format::Text => {
                let mark = if ok { "" } else { "FAILED: " };
                line(&format!("  {step:<9} {:>9}  {mark}{detail}", human(took)));
            }
            Format::Json => line(&json!({
                "event": "step", "step": step, "ok": ok, "detail": detail,
                "took_us": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                "monotonic_us": monotonic_us(),
            })),
        }
        if self.pause_after.borrow_mut().take_if(|after| after == step).is_some() {
            // As if somebody had pressed Ctrl-Z at the worst moment; SIGCONT goes on, SIGKILL is the crash.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::STOP,
            );
        }
    }

    /// The last line: how it ended.
    pub fn end(&self, text: &str, object: Value) {
        self.over();
        match self.format {
            Format::Text => line(&text),
            Format::Json => line(&with(object, "event", json!("end"))),
        }
    }
}

/// An error ends a wait too, and is not written behind it.
impl Drop for Report {
    fn drop(&mut self) {
        self.over();
    }
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

/// A reader that went away must not end a deploy half-way, so an error of the write is none of ours.
fn line(text: &dyn Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// CLOCK_MONOTONIC in microseconds: comparable with what other processes of this boot measure.
pub(crate) fn monotonic_us() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// A time for people: `0.3 ms`, `12 ms`, `4.2 s`, `5 min 3 s`.
pub fn human(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.01 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// Where the time of a deploy went: what was waited for on the manifest's or the release's account, what systemd needed to read all
/// its units again, which grows with the machine, and the rest, which is ours.
#[derive(Debug)]
pub struct Account {
    began: Instant,
    waited: Duration,
    reloading: Duration,
}

impl Account {
    /// Starts to count.
    pub fn begin() -> Self {
        Self { began: Instant::now(), waited: Duration::ZERO, reloading: Duration::ZERO }
    }

    /// Time that the release's start, the stable time, the watch or the drain took.
    pub fn waited(&mut self, time: Duration) {
        self.waited += time;
    }

    /// Time that systemd took to move the alias and to read its units again.
    pub fn reloaded(&mut self, time: Duration) {
        self.reloading += time;
    }

    /// What systemd's part came to.
    pub fn reloading(&self) -> Duration {
        self.reloading
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.began.elapsed()
    }

    /// What sockctl itself needed.
    pub fn own(&self) -> Duration {
        self.total().saturating_sub(self.waited + self.reloading)
    }
}

/// The most memory this process has had resident, in KiB: `VmHWM` of proc(5).
///
/// Not `ru_maxrss` of getrusage(2), which begins with what the parent had before the exec.
pub fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok()
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let text = |ms| human(Duration::from_millis(ms));
        assert_eq!(
            [text(3), text(42), text(4200), text(303_000)],
            ["3.0 ms", "42 ms", "4.2 s", "5 min 3 s"]
        );
    }

    #[test]
    fn waiting_is_not_ours() {
        let mut account = Account::begin();
        account.waited(Duration::from_secs(9));
        assert_eq!(account.own(), Duration::ZERO);
        assert!(peak_memory_kib() > 100);
    }
}
