//! Alone in its process, of whose threads it looks at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sockprove::kind::Kind;
use sockprove::load::Load;
use sockprove::record::Record;
use sockprove::schedule::Pace;
use sockprove::target::Target;

const SCHED_OTHER: u32 = 0;
const SCHED_RR: u32 = 2;

/// How the threads of each name are scheduled: proc(5), field 41 of `stat`.
fn policies() -> BTreeMap<String, BTreeSet<u32>> {
    let tasks = fs::read_dir("/proc/self/task").expect("proc(5)").flatten();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let policy = |stat: String| {
        let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
        Some((name.to_owned(), fields.split_whitespace().nth(38)?.parse().ok()?))
    };
    let mut policies = BTreeMap::<_, BTreeSet<_>>::new();
    for (name, policy) in stats.filter_map(policy) {
        policies.entry(name).or_default().insert(policy);
    }
    policies
}

fn service() -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer);
        }
    });
    Target::parse(&format!("http://{at}/"), None).expect("an address")
}

#[test]
fn who_sends_on_time_runs_on_time_and_nobody_else() {
    let may = Command::new("chrt").args(["--rr", "1", "true"]).status();
    let may = may.expect("chrt of util-linux starts").success();
    let open = Pace::Open { rate: NonZeroU32::new(200).unwrap() };
    let closed = Pace::Closed { connections: NonZeroU32::new(2).unwrap() };
    for (pace, on_time) in [(open, may), (closed, false)] {
        let load = Load {
            kind: Kind::OneShot,
            pace,
            target: service(),
            duration: Duration::from_secs(5),
            timeout: Duration::from_secs(3),
            expect: Vec::new(),
            by_body: false,
            threads: 2,
            probe: Some(Duration::from_millis(2)),
        };
        let expected = if on_time { SCHED_RR } else { SCHED_OTHER };
        let running = load.start().expect("threads");
        assert!(running.await_answer(Duration::from_secs(3)));
        // The witness stands for the service, which waits for processors as everybody does.
        let wanted = [("load", expected), ("probe", expected), ("witness", SCHED_OTHER)];
        // Not all threads have begun when the first one is answered.
        let begun = Instant::now();
        let policies = loop {
            let policies = policies();
            let has = |(name, policy)| policies.get(name) == Some(&BTreeSet::from([policy]));
            if wanted.into_iter().all(has) || begun.elapsed() > Duration::from_secs(3) {
                break policies;
            }
            thread::yield_now();
        };
        let record = Record::of(&running.stop().expect("it ran"), &[], Duration::from_secs(1));
        for (name, policy) in wanted {
            assert_eq!(policies[name], BTreeSet::from([policy]), "{pace:?}, {name}: {policies:?}");
        }
        assert_eq!(record.generator.on_time, on_time, "{pace:?}");
    }
}
