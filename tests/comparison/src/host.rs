//! On what it was measured, and when.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

/// One sentence: system, systemd, kernel, processors, memory.
///
/// # Errors
/// When the machine does not say.
pub fn words() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).context(path.to_owned());
    let (release, cpuinfo, meminfo) =
        (read("/etc/os-release")?, read("/proc/cpuinfo")?, read("/proc/meminfo")?);
    let system = field(&release, "PRETTY_NAME=").context("os-release has no name")?;
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let processor = field(&cpuinfo, "model name").unwrap_or("an unknown processor");
    let processors = std::thread::available_parallelism()?;
    let kib = field(&meminfo, "MemTotal:").and_then(|text| text.split(' ').next()?.parse().ok());
    let gib = kib.map_or(0.0, |kib: f64| kib / 1024.0 / 1024.0);
    let systemd = Command::new("systemctl").arg("--version").output()?;
    let systemd = String::from_utf8_lossy(&systemd.stdout);
    let systemd = systemd.split(' ').nth(1).unwrap_or("?");
    Ok(format!(
        "{system}, systemd {systemd}, Linux {}, {processors} cores of {processor}, {gib:.0} GiB",
        kernel.trim()
    ))
}

/// Today, in UTC.
#[must_use]
pub fn date() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// The commit of this tree, when it is a clone.
#[must_use]
pub fn commit() -> Option<String> {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]).current_dir(e2e::binaries::workspace());
    let said = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// The rest of the first line that begins so, without `:`, `"` and blanks.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.trim_matches(|c: char| c.is_whitespace() || c == ':' || c == '"'))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_of_all_three_forms() {
        assert_eq!(field("A=1\nPRETTY_NAME=\"Debian 12\"\n", "PRETTY_NAME="), Some("Debian 12"));
        assert_eq!(field("model name\t: Xeon\n", "model name"), Some("Xeon"));
        assert_eq!(field("MemTotal:       7 kB\n", "MemTotal:"), Some("7 kB"));
    }
}
