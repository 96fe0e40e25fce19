//! Every fault at every step of a deploy: what users see, what the controller says, and what is left.
//!
//! The cases come from the controller's own list of steps, [`Step::ALL`]: a step that does not say in `stage.rs` how it is
//! reached does not compile.

mod fault;
mod stage;

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

pub use fault::Fault;
use sockctl::plan::Step;
use stage::{Scene, scene};

use crate::load::{Generator, Load, LoadReport};
use crate::shop::{HEALTH, Paused, Shop, URL, manifest};

/// The releases, by their answers.
const OLD: &str = "old";
const NEW: &str = "new";

/// The file system of the releases.
const STATE: &str = "/var/lib/sockact";

/// The connections of the load; each can lose what it had begun on a slot that dies, and once more what was sent to it.
const CONNECTIONS: u32 = 32;

/// Goes on from [`HEALTH`]: a slot that stands still is given up after a second.
const TIMES: &str = r#"
timeout = "300ms"
failures = 3

[swap]
stable = "300ms"
deadline = "5s"
watch = "300ms"
drain = "2s"
"#;

/// Goes on from there: both hooks, which succeed.
const HOOKS: &str = "[hooks]\nmigrate = [\"/bin/true\"]\npre_stop = [\"/bin/true\"]\n";

/// One fault at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The step that was just done.
    pub step: Step,
    /// What happens then.
    pub fault: Fault,
}

/// How a case went.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which one.
    pub case: Case,
    /// The controller's exit status; none when it was killed.
    pub exit: Option<i32>,
    /// The exit status of each `resume` after it, until one said that the deploy is over.
    pub resumed: Vec<i32>,
    /// The release that serves at the end; none when nothing is deployed.
    pub live: Option<String>,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were not, all of them begun on a slot that died.
    pub lost: u64,
    /// From the boot to the last check.
    pub took: Duration,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exit = self.exit.map_or("-".into(), |exit| exit.to_string());
        let all: Vec<_> =
            std::iter::once(exit).chain(self.resumed.iter().map(i32::to_string)).collect();
        write!(
            f,
            "{:<9} {:<12} exit {:<9} live {:<5} answered {:>8} lost {:>3}  {:.1} s",
            self.case.step.name(),
            self.case.fault,
            all.join(","),
            self.live.as_deref().unwrap_or("none"),
            self.answered,
            self.lost,
            self.took.as_secs_f64()
        )
    }
}

/// All cases, step by step.
#[must_use]
pub fn cases() -> Vec<Case> {
    let of = |step: &Step| Fault::ALL.map(|fault| Case { step: *step, fault });
    Step::ALL.iter().flat_map(of).filter(|case| case.fault.fits(case.step)).collect()
}

/// So many of the cases, others for each seed.
#[must_use]
pub fn sample(seed: u64, count: usize) -> Vec<Case> {
    let mut all = cases();
    all.sort_by_cached_key(|case| {
        let mut hasher = DefaultHasher::new();
        (seed, case.step.name(), case.fault.to_string()).hash(&mut hasher);
        hasher.finish()
    });
    all.truncate(count);
    all
}

impl Case {
    /// Boots a machine, deploys on it under load, lets it happen, resumes, and checks what is promised.
    ///
    /// # Panics
    /// When a promise is not kept: with what was seen.
    #[must_use]
    pub fn run(self) -> Row {
        let began = Instant::now();
        let mut shop = installed(self.fault);
        let scene = scene(self.step);
        let (new, old) = self.before(&shop);
        let inode = shop.socket_inode();
        let load = Load::new(Generator::OneShot, URL).connections(CONNECTIONS);
        let load = scene.has_old().then(|| load.start(&shop.sandbox));
        // Its request is what a first release sickens at.
        let client = (scene == Scene::FirstSick).then(|| Client::waiting(&shop));

        let paused = self.reach(&shop, new, old);
        let served = serving(&shop);
        let victim = self.fault.victim(new, old);
        self.fault.befall(&shop, self.step, victim.unwrap_or(new));
        let hit = victim.is_some_and(|slot| served.iter().any(|serving| serving == slot));

        let (exit, words, report) = match self.fault {
            Fault::Reboot => {
                // Nothing of it runs any more, but a stopped nsenter would keep the machine from ending.
                drop((load, client, paused));
                shop.sandbox.reboot();
                (None, String::new(), None)
            }
            fault => {
                let (exit, words) = match fault {
                    Fault::Killed => {
                        paused.kill();
                        (None, String::new())
                    }
                    Fault::Interrupted => paused.interrupt(&shop),
                    _ => paused.go_on(),
                };
                (exit, words, load)
            }
        };
        let resumed = self.resume(&shop, exit, &words);
        let live = self.check_end(&shop, exit, &resumed, &words);
        let report = report.map(crate::load::Running::finish);
        let lost =
            report.as_ref().map_or(0, |report| self.check_load(report, hit, live.as_deref()));
        if self.fault != Fault::Reboot {
            assert_eq!(shop.socket_inode(), inode, "{self}: another socket");
        }
        let answered = report.map_or(0, |report| report.requests);
        Row { case: self, exit, resumed, live, answered, lost, took: began.elapsed() }
    }

    /// Deploys what is live when it begins, and gives the slots of the new release and of the old one.
    fn before(self, shop: &Shop) -> (&'static str, &'static str) {
        match scene(self.step) {
            Scene::First | Scene::FirstSick => return ("blue", "green"),
            // So that there is something to be left running.
            Scene::Leftover => drop(shop.deploy(&shop.release("older", None)).ok()),
            // Long enough for the steps, short enough to be waited for.
            Scene::Kept => shop.install(&short("keep_warm = \"1s\"\n")),
            Scene::Hooks => shop.install(&short(HOOKS)),
            Scene::Listeners => shop.install(&with_listener("gone", 8083)),
            Scene::Swap | Scene::Canary | Scene::Sick | Scene::SickAlone => {}
        }
        shop.deploy(&shop.release(OLD, None)).ok();
        if scene(self.step) == Scene::Listeners {
            shop.install(&with_listener("new", 8084));
        }
        if shop.one_live_slot() == "blue" { ("green", "blue") } else { ("blue", "green") }
    }

    /// Stops the controller when the step is done.
    fn reach(self, shop: &Shop, new: &str, old: &str) -> Paused {
        let scene = scene(self.step);
        let release = shop.release(NEW, scene.flaw());
        let deploy = [&["deploy", "shop", &release], scene.flags()].concat();
        match scene {
            Scene::Leftover => {
                shop.sandbox.run(["systemctl", "start", &format!("shop-{new}.service")]).ok();
            }
            Scene::SickAlone => {
                shop.paused_after("close", &deploy).kill();
                shop.sandbox.run(["systemctl", "stop", &format!("shop-{old}.service")]).ok();
                return shop.paused_after(self.step.name(), &["resume", "shop"]);
            }
            _ => {}
        }
        shop.paused_after(self.step.name(), &deploy)
    }

    /// `resume`, until it says that the deploy is over.
    fn resume(self, shop: &Shop, exit: Option<i32>, words: &str) -> Vec<i32> {
        const OVER: [i32; 3] = [0, 1, 3];
        let mut resumed = Vec::new();
        let mut last = exit;
        while !last.is_some_and(|exit| OVER.contains(&exit)) {
            assert!(last.is_none_or(|exit| exit == 6), "{self}: exit status {last:?}\n{words}");
            assert!(resumed.len() < 3, "{self}: resumed three times in vain");
            let resume = shop.sockctl(["resume", "shop"]);
            last = resume.status.code();
            assert!(last.is_some_and(|exit| exit == 6 || OVER.contains(&exit)), "{self}: {resume}");
            resumed.push(last.unwrap_or_default());
        }
        resumed
    }

    /// What the last exit status promised.
    fn check_end(
        self,
        shop: &Shop,
        exit: Option<i32>,
        resumed: &[i32],
        words: &str,
    ) -> Option<String> {
        let nothing = shop.status()["live"].is_null();
        let has_old = scene(self.step).has_old();
        let last = resumed.last().copied().or(exit);
        if nothing {
            assert!(!has_old, "{self}: no live slot\n{words}");
            assert!(last == Some(1) || self.fault == Fault::Reboot, "{self}: {last:?}\n{words}");
            return None;
        }
        if scene(self.step) == Scene::Kept {
            shop.await_retirement();
        }
        // Its answer first: a process that was killed is started again after RestartSec=.
        let live = shop.get();
        shop.one_live_slot();
        match (exit, last) {
            (Some(0), _) => assert_eq!(live, NEW, "{self}: exit status 0\n{words}"),
            (_, Some(3)) => assert_eq!(live, OLD, "{self}: exit status 3\n{words}"),
            // Nothing was begun.
            (Some(1), _) if self.step == Step::Stage => assert_eq!(live, OLD, "{self}: {words}"),
            // `resume` found nothing to resume, or finished it.
            (_, Some(0)) => assert!(live == NEW || (has_old && live == OLD), "{self}: {live}"),
            _ => panic!("{self}: {live} is live, exit status {last:?}\n{words}"),
        }
        Some(live)
    }

    /// The lost requests: none, but what had been begun on a slot that died.
    fn check_load(self, report: &LoadReport, hit: bool, live: Option<&str>) -> u64 {
        let errors = &report.errors;
        let begun = errors.read + errors.timeout + errors.unanswered;
        assert_eq!(errors.total(), begun, "{self}: not only what was begun\n{report}");
        let most = if hit { u64::from(2 * CONNECTIONS) } else { 0 };
        assert!(begun <= most && report.requests > 0, "{self}: {begun} lost\n{report}");
        if live == Some(OLD) && self.fault.shows_before_users(self.step) {
            assert_eq!(
                report.release(NEW),
                None,
                "{self}: users met an unproven release\n{report}"
            );
        }
        begun
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {}", self.fault, self.step.name())
    }
}

/// The manifest with short times, and with this after them: keys of `[swap]`, then tables.
fn short(rest: &str) -> String {
    manifest(&format!("{HEALTH}{TIMES}{rest}"))
}

/// The manifest with one listener more.
fn with_listener(name: &str, port: u16) -> String {
    short(&format!("[listeners.{name}]\nlisten = \"127.0.0.1:{port}\"\n"))
}

/// The application with nothing deployed; where the fault wants it, its releases lie on a small file system.
fn installed(fault: Fault) -> Shop {
    let shop = Shop::machine();
    if fault == Fault::NoSpace {
        shop.sandbox.run(["mkdir", "--parents", STATE]).ok();
        shop.sandbox.run(["mount", "-t", "tmpfs", "-o", "size=64M", "releases", STATE]).ok();
    }
    shop.install(&short(""));
    shop.enable();
    shop
}

/// The slots that take connections now, or have some that they took.
fn serving(shop: &Shop) -> Vec<String> {
    let status = shop.status();
    let slots = status["slots"].as_array().expect("slots").iter();
    let open = slots.filter(|slot| {
        let status = &slot["status"];
        status["gate"].as_f64().is_some_and(|gate| gate > 0.0)
            || status["connections"].as_u64().is_some_and(|open| open > 0)
    });
    open.filter_map(|slot| slot["slot"].as_str().map(str::to_owned)).collect()
}

/// A person's request that waits for the first deploy.
struct Client(Child);

impl Client {
    fn waiting(shop: &Shop) -> Self {
        let curl = ["--silent", "--max-time", "60", URL];
        let mut command = shop.sandbox.command("curl");
        let child = command.args(curl).stdout(Stdio::null()).spawn();
        Self(child.expect("nsenter starts"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have its answer.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
