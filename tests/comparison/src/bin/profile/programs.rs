//! The programs themselves: how large they are, how fast they start, and what memory they have at most.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use comparison::summary::median;
use comparison::table::{Table, number};
use e2e::binaries::workspace;
use e2e::shop::Shop;

use crate::shop::shop;

/// For the median of a start.
const STARTS: usize = 101;

/// The same as are published.
const PROFILE: &str = "target/dist";

pub(crate) fn section() -> Result<String> {
    let folder = workspace().join(PROFILE);
    let mut programs = Table::new(["program", "size, MiB", "`--version`, ms"]);
    for name in ["sockgen", "sockctl", "sockprove"] {
        let program = folder.join(name);
        let bytes = fs::metadata(&program).with_context(|| program.display().to_string())?.len();
        programs.row([name.into(), number(Some(bytes as f64 / 1048576.0), 2), start(&program)?]);
    }
    programs.row(["/bin/true".into(), String::new(), start(Path::new("/bin/true"))?]);
    Ok(format!(
        "## The programs\n\nBuilt with `--profile dist`, as they are published. From spawn to end, medians of {STARTS}.\n\n{}\n{}",
        programs.markdown(),
        peaks(&folder)?.markdown()
    ))
}

fn start(program: &Path) -> Result<String> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        let status = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        ensure!(status.with_context(|| program.display().to_string())?.success());
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(number(median(times), 2))
}

fn peaks(folder: &Path) -> Result<Table> {
    let shop = shop();
    for name in ["sockgen", "sockctl"] {
        shop.sandbox.install_program(&folder.join(name));
    }
    let (one, two) = (shop.release("one", None), shop.release("two", None));
    let mut table = Table::new(["command", "resident at most, MiB"]);
    for (told, words) in [
        (
            "`sockgen init`",
            "sockgen init --name other --listen http=127.0.0.1:8081 --exec bin/x --dir /tmp",
        ),
        ("`sockgen install`", "sockgen install /srv/shop/sockact.toml"),
        // systemd-analyze is a child of it, and would count.
        (
            "`sockgen check --no-analyze`, Debian's units",
            "sockgen check --no-analyze /lib/systemd/system",
        ),
        ("`sockctl deploy`", &format!("sockctl deploy shop {one}")),
        (
            "`sockctl deploy --canary 50%`",
            &format!("sockctl deploy shop {two} --canary 50% --hold 1s"),
        ),
        ("`sockctl rollback`", "sockctl rollback shop"),
        ("`sockctl status`", "sockctl status shop"),
        ("`sockctl doctor`", "sockctl doctor"),
    ] {
        table.row([told.to_owned(), number(Some(peak(&shop, words)?), 1)]);
    }
    Ok(table)
}

/// By time(1), which is small itself: what a parent holds counts for its child until execve(2).
fn peak(shop: &Shop, words: &str) -> Result<f64> {
    let line = format!("time -f %M -o /tmp/peak {words}");
    let output =
        shop.sandbox.run(["env".to_owned()].into_iter().chain(line.split(' ').map(str::to_owned)));
    let text = fs::read_to_string(shop.sandbox.root().join("tmp/peak"))?;
    // Before it says that a status was not 0, which is what `check` says when it finds something.
    let kib: f64 = text
        .lines()
        .last()
        .and_then(|line| line.parse().ok())
        .with_context(|| format!("{text}\n{output}"))?;
    Ok(kib / 1024.0)
}
