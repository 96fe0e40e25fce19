//! What may be typed. Values are validated by the commands, so that one bad value gives one
//! message of ours, with a hint.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::diff::Diff;
use super::remove::Remove;
use crate::check::Severity;
use crate::extras::Extra;
use crate::versions::{Target, TargetError};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "sockgen",
    version,
    about = "Generates, installs and checks the systemd units of a service with two slots",
    long_about = "Generates, installs and checks the systemd units of a service with two slots.\n\n\
systemd holds the listening sockets. Two slots of the service, blue and green, take turns \
accepting from them, so that a deploy closes no port and loses no request. sockgen writes the \
units; it starts and restarts none, and stops one only to remove it. sockctl deploys.",
    after_help = "\
From nothing to a running service:
  sockgen init --name shop --listen http=127.0.0.1:8080 --exec bin/shop
  sudo sockgen install
  sudo systemctl enable --now shop.target
  sudo sockctl deploy shop target/release/shop

Exit status: 0 done or nothing to do, 1 error or findings, 2 wrong usage.",
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first sockact.toml, and the units it gives beside it
    #[command(after_help = "\
Examples:
  sockgen init --name shop --listen http=127.0.0.1:8080 --exec bin/shop
  sockgen init --preset node --main --name shop --listen http=127.0.0.1:8080
  sockgen init --preset help      # axum, gunicorn, node, go and others, a line each
  sockgen init --name shop --listen http=0.0.0.0:80 --listen api=/run/shop.sock \\
      --exec /usr/bin/shop --arg=--verbose --health-path /healthz
  sockgen init        # on a terminal, where no sockact.toml is: it asks
  sockgen init        # after sockact.toml was edited: the units beside it anew
  sudo sockgen init --from shop.service    # of a service that runs, and what it listens on

The same input gives the same bytes. A file that is there with another text is never replaced
without --force; when one cannot be written, none is.")]
    Init(Init),

    /// Put the units and the manifest where systemd reads them, and reload
    #[command(after_help = "\
Examples:
  sudo sockgen install                     # ./sockact.toml
  sudo sockgen install /srv/shop/sockact.toml
  sockgen install --dry-run                # check everything, change nothing
  sockgen install --user                   # for your own systemd, without root
  sudo sockgen install --root /mnt/image   # into an image: no reload, no ports tried

Everything is checked first: the manifest, the program, whether each new address is free, that no
file of somebody else is replaced, and that no open socket would be lost. Then all files change,
or none. No unit is started, stopped or restarted.

The address of an open socket cannot be changed: systemd would drop the descriptor. Add a listener
with a new name instead.")]
    Install(Install),

    /// Show what install would change on this machine, and what follows for what runs
    #[command(after_help = "\
Examples:
  sockgen diff                             # ./sockact.toml
  sockgen diff /srv/shop/sockact.toml
  sockgen diff --root /mnt/image
  sockgen diff --json | jq -r '.consequences[]'

It is install's own decision, shown: a unified diff of the files, the consequences in words, the
administrator's drop-ins with what they put in the place of our settings, and what install would
refuse, with what to do instead.

Exit status, as diff(1): 0 nothing would change, 1 something would, 2 install would refuse, wrong
usage, or trouble.")]
    Diff(Diff),

    /// Stop an application, let it drain, and take it off this machine
    #[command(after_help = "\
Examples:
  sudo sockgen remove shop
  sockgen remove shop --dry-run            # what it would do
  sudo sockgen remove shop --purge         # its releases and its state, too
  sockgen remove shop --user
  sockgen remove shop --root /mnt/image    # from an image: nothing is stopped

First systemd stops its target: the slots end what they have begun, and then the sockets close.
Then the links of `systemctl enable`, the units and the manifest go, all or none. Releases, state
and the administrator's drop-ins stay, and it says where. It is refused while a deploy is under way
or unfinished. Interrupted, it goes on from there when it is typed again.")]
    Remove(Remove),

    /// Check units, ours and anybody's, with rules of our own and with systemd-analyze
    #[command(after_help = "\
Examples:
  sockgen check                            # ./sockact.toml and the units beside it
  sockgen check /etc/systemd/system        # with the units and drop-ins that belong to it
  sockgen check /mnt/image/usr/lib/systemd/system
  sockgen check shop-http.socket --only S02,S14 --severity note
  sockgen check units/ --sarif >sockgen.sarif
  sockgen check --json | jq -r '.findings[].rule'
  sockgen explain S05                      # why a rule is there

Drop-ins, masks, aliases and templates are read as systemd reads them. In a file name that ends in
.toml a manifest is expected, and the units that it would give are checked.

Exit status: 0 nothing found, 1 findings, 2 wrong usage, or the check could not be made.")]
    Check(Check),

    /// Store, list and remove the secrets of an application
    #[command(
        subcommand,
        after_help = "\
Examples:
  sudo sockgen secret set shop db-password            # asks, and shows nothing
  sudo sockgen secret set shop tls-key <key.pem       # byte for byte
  sudo sockgen secret list shop

A secret is never an argument or a variable. It is encrypted with the key of this machine
(systemd-creds), or where there is none a file that only its owner may read. A slot finds it in
$CREDENTIALS_DIRECTORY when sockact.toml names it: secrets = [\"db-password\"]."
    )]
    Secret(Secret),

    /// Say why a rule of check is there and what to do, or what a relaxation of [hardening] does
    #[command(after_help = "\
Examples:
  sockgen explain             # all rules
  sockgen explain S05
  sockgen explain hardening   # all relaxations
  sockgen explain jit")]
    Explain {
        /// The rule, such as S05, or the relaxation, such as jit; all rules when left out
        rule: Option<String>,
    },

    /// Print the JSON Schema of sockact.toml, with which an editor completes it
    #[command(after_help = "\
Example:
  sockgen schema >sockact.schema.json

With this as the first line of sockact.toml, editors that know Taplo's directives (Even Better TOML,
Helix, Zed, Neovim) take it:
  #:schema ./sockact.schema.json")]
    Schema,

    /// Print what other programs want to know of an application: accounts, directories, rights, metrics, limits
    #[command(after_help = "\
Examples:
  sockgen print sysusers | sudo tee /etc/sysusers.d/shop.conf && sudo systemd-sysusers
  sockgen print tmpfiles >image/usr/lib/tmpfiles.d/shop.conf
  sockgen print polkit --group deploy | sudo tee /etc/polkit-1/rules.d/50-shop.rules
  sockgen print prometheus                 # a part of prometheus.yml
  sockgen print journald | sudo tee /etc/systemd/journald@sockact-shop.conf

Nothing is written anywhere: it goes to standard output.")]
    Print {
        /// What
        #[arg(value_enum)]
        what: Extra,

        /// The manifest
        #[arg(default_value = "./sockact.toml")]
        manifest: PathBuf,

        /// Whose members the polkit rule is for
        #[arg(long, default_value = "deploy")]
        group: String,
    },

    /// Print the completions of a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },

    /// Print the man page
    #[command(hide = true)]
    Man,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").multiple(true))]
pub(crate) struct Init {
    /// Convert a service that is there: its name (shop.service) or the path of its unit
    #[arg(long, value_name = "UNIT", group = "what", conflicts_with = "args")]
    pub(crate) from: Option<String>,

    /// The application's name: a to z, 0 to 9 and -, at most 30
    #[arg(long, group = "what")]
    pub(crate) name: Option<String>,

    /// The kind of program: what it needs in the manifest is filled in; `help` shows all
    #[arg(long, value_name = "KIND", conflicts_with = "from")]
    pub(crate) preset: Option<String>,

    /// Write the preset's starting program beside the manifest, too
    #[arg(long, requires = "preset", alias = "with-main", conflicts_with = "exec")]
    pub(crate) main: bool,

    /// A listener: its name, = and address:port or an absolute path; may be repeated
    #[arg(long, value_name = "NAME=ADDRESS", requires = "what")]
    pub(crate) listen: Vec<String>,

    /// The program: a path inside the release (bin/shop), or an absolute path
    #[arg(long, value_name = "PATH", requires = "what")]
    pub(crate) exec: Option<String>,

    /// An argument of the program; may be repeated
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true, requires = "name")]
    pub(crate) args: Vec<String>,

    /// With --preset proxyd: where the program listens; given twice, for blue and then for green
    ///
    /// [default: 127.0.0.1:9101 and 127.0.0.1:9102]
    #[arg(long, value_name = "ADDRESS", requires = "name")]
    pub(crate) proxy_to: Vec<String>,

    /// The path of the request that says whether a slot is well
    #[arg(long, value_name = "PATH", default_value = "/health", requires = "name")]
    pub(crate) health_path: String,

    /// Where to write
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,

    /// The systemd that is to read the units, 252 or newer [default: the machine's]
    #[arg(long, value_name = "VERSION", value_parser = systemd)]
    pub(crate) systemd: Option<Target>,

    /// Replace files that are there with another text
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// The manifest
    #[arg(default_value = "./sockact.toml")]
    pub(crate) manifest: PathBuf,

    /// Install into the image of a machine that lies in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "user")]
    pub(crate) root: Option<PathBuf>,

    /// Install for your own systemd: units in ~/.config/systemd/user, no root needed
    #[arg(long)]
    pub(crate) user: bool,

    /// The systemd that is to read the units, 252 or newer [default: the machine's, or the image's]
    #[arg(long, value_name = "VERSION", value_parser = systemd)]
    pub(crate) systemd: Option<Target>,

    /// Check everything and say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Directories, manifests, unit files or drop-ins
    #[arg(default_value = ".", value_name = "DIR|MANIFEST|UNIT")]
    pub(crate) paths: Vec<PathBuf>,

    /// The systemd that is to read the units, 252 or newer [default: the machine's]
    #[arg(long, value_name = "VERSION", value_parser = systemd)]
    pub(crate) systemd: Option<Target>,

    /// Only these rules: S01 to S37, verify, exposure
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Not these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,

    /// The least that counts as a finding
    #[arg(long, value_enum, default_value_t = Severity::Warning, hide_possible_values = false)]
    pub(crate) severity: Severity,

    /// Find services whose exposure (systemd-analyze security) is above this, 0.0 to 10.0
    #[arg(long, value_name = "SCORE", value_parser = score)]
    pub(crate) security_threshold: Option<f64>,

    /// Leave systemd-analyze out, where there is none
    #[arg(long, conflicts_with = "security_threshold")]
    pub(crate) no_analyze: bool,

    /// Print JSON (CHECK.md says what is in it)
    #[arg(long)]
    pub(crate) json: bool,

    /// Print SARIF 2.1.0, as code hosts take it
    #[arg(long, conflicts_with = "json")]
    pub(crate) sarif: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Store a secret: what is typed, or standard input
    Set {
        #[command(flatten)]
        of: SecretOf,
        /// The secret's name
        name: String,
    },
    /// Which secrets are stored, and how, and which are missing
    List {
        #[command(flatten)]
        of: SecretOf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a secret off the disk
    Remove {
        #[command(flatten)]
        of: SecretOf,
        /// The secret's name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SecretOf {
    /// The application
    pub(crate) app: String,

    /// In the image of a machine that lies in this directory: not encrypted
    #[arg(long, value_name = "DIR", conflicts_with = "user")]
    pub(crate) root: Option<PathBuf>,

    /// Of your own systemd: not encrypted
    #[arg(long)]
    pub(crate) user: bool,
}

/// How the findings are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Text,
    Json,
    Sarif,
}

impl Check {
    pub(crate) fn form(&self) -> Form {
        match (self.json, self.sarif) {
            (true, _) => Form::Json,
            (_, true) => Form::Sarif,
            _ => Form::Text,
        }
    }
}

/// The hint is part of the message: clap has no other place for it.
pub(crate) fn systemd(typed: &str) -> Result<Target, String> {
    typed.parse().map_err(|error: TargetError| format!("{error}: {}", error.hint()))
}

fn score(typed: &str) -> Result<f64, String> {
    match typed.parse() {
        Ok(score) if (0.0..=10.0).contains(&score) => Ok(score),
        _ => Err("it is no number from 0.0 to 10.0".to_owned()),
    }
}
