//! Where the lines of the slots go: systemd.exec(5), `LogNamespace=`; systemd-journald.service(8), "Journal Namespaces".

use super::App;

/// A journal of the application's own, which an instance of systemd-journald@.service keeps.
///
/// The slots get requirements on the sockets of that instance: who stops those stops the slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Journal {
    /// `SystemMaxUse=` and `RuntimeMaxUse=` of journald.conf(5), in bytes.
    pub max_use: Option<u64>,
    /// `MaxRetentionSec=` of journald.conf(5), in days.
    pub keep_days: Option<u16>,
}

impl App {
    /// The journal of its own, when it has one; else its lines are in the machine's.
    #[must_use]
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// The name of that journal, `sockact-shop`, as `LogNamespace=` and `journalctl --namespace` have it.
    #[must_use]
    pub fn log_namespace(&self) -> Option<String> {
        self.journal.map(|_| self.name.log_namespace())
    }
}
