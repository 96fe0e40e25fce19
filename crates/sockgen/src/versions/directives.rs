//! Every directive that a systemd of 252 to 262 knows.

use super::NOVELTIES;

/// `systemd --dump-configuration-items` of the oldest, its sections for sockets and services.
const OLDEST: &str = include_str!("directives-252");

/// The directives of a section, `Unit`, `Service` or `Socket`: those that the oldest supported systemd knows, and those that came later.
///
/// ```
/// use sockgen::directives;
/// assert!(directives("Service").any(|name| name == "ExecStart"));
/// assert!(!directives("Service").any(|name| name == "Execstart"));
/// assert_eq!(directives("Shop").count(), 0);
/// ```
pub fn directives(section: &str) -> impl Iterator<Item = &'static str> {
    let title = format!("[{section}]");
    let oldest = OLDEST.lines().skip_while(move |line| *line != title).skip(1);
    let oldest = oldest.take_while(|line| !line.starts_with('['));
    let section = section.to_owned();
    let later = NOVELTIES.iter().filter(|novelty| novelty.value.is_none());
    let later = later.filter(move |novelty| novelty.sections.iter().any(|one| *one == section));
    oldest.chain(later.map(|novelty| novelty.key))
}
