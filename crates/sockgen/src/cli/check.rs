//! `sockgen check`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args::{Check, Form};
use super::findings::{self, Checked};
use super::{Failure, Report};
use crate::check::{
    AnalyzeError, EXPOSURE, LoadError, Loader, RULES, Units, VERIFY, check, exposure, sarif, verify,
};
use crate::model::App;
use crate::names::MANIFEST_FILE;
use crate::versions::{Rendered, Target, render_for};
use crate::{nearest, shown};

pub(super) fn run(args: &Check) -> Result<Report, Failure> {
    let chosen = Chosen::of(args)?;
    let units = units(args)?;
    if units.is_empty() {
        let names: Vec<String> = args.paths.iter().map(|p| p.display().to_string()).collect();
        let message = format!("there are no units in {}", names.join(", "));
        return Err(Failure::typed(message, "name a folder with units, or a sockact.toml"));
    }
    let mut found = check(&units);
    let mut exposures = Vec::new();
    if !args.no_analyze {
        found.extend(verify(&units).map_err(analyze)?);
        exposures = exposure(&units).map_err(analyze)?;
        let threshold = args.security_threshold;
        found.extend(exposures.iter().filter_map(|one| one.above(threshold?)));
    }
    found.retain(|finding| chosen.has(finding.rule));
    let all = found.len();
    found.retain(|finding| finding.severity >= args.severity);
    found.sort();
    let checked = Checked { units: units.len(), hidden: all - found.len(), exposures };
    let status = u8::from(!found.is_empty());
    let stdout = match args.form() {
        Form::Text => findings::text(&found, &checked),
        Form::Json => findings::json(&found, &checked),
        Form::Sarif => pretty(&sarif(&found)),
    };
    Ok(Report { stdout: stdout.into_bytes(), status })
}

fn analyze(error: AnalyzeError) -> Failure {
    Failure::new(&error, Some(error.hint().to_owned())).status(2)
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// The rules that were asked for.
struct Chosen {
    only: BTreeSet<String>,
    ignore: BTreeSet<String>,
}

impl Chosen {
    fn of(args: &Check) -> Result<Self, Failure> {
        Ok(Self { only: rules("--only", &args.only)?, ignore: rules("--ignore", &args.ignore)? })
    }

    fn has(&self, rule: &str) -> bool {
        (self.only.is_empty() || self.only.contains(rule)) && !self.ignore.contains(rule)
    }
}

/// A misspelt rule would be one that is silently not looked for.
fn rules(option: &str, typed: &[String]) -> Result<BTreeSet<String>, Failure> {
    let known = || RULES.iter().map(|rule| rule.id).chain([VERIFY, EXPOSURE]);
    let one = |typed: &String| {
        let found = known().find(|id| id.eq_ignore_ascii_case(typed));
        found.map(str::to_owned).ok_or_else(|| {
            let hint = match nearest(&typed.to_uppercase(), known()) {
                Some(near) => format!("did you mean {near}? `sockgen explain` lists all rules"),
                None => "`sockgen explain` lists all rules".to_owned(),
            };
            Failure::typed(format!("{option}: there is no rule {}", shown(typed)), hint)
        })
    };
    typed.iter().map(one).collect()
}

/// Everything that was named. The units of a manifest that lies alone are those that it would give.
fn units(args: &Check) -> Result<Units, Failure> {
    let mut loader = Loader::default();
    let mut manifests = Vec::new();
    for path in &args.paths {
        if path.is_dir() {
            let manifest = path.join(MANIFEST_FILE);
            if manifest.exists() {
                manifests.push((app(&manifest)?, Some(path)));
            }
        } else if path.extension().is_some_and(|suffix| suffix == "toml") {
            manifests.push((app(path)?, None));
            continue;
        }
        loader.ask(path).map_err(load)?;
    }
    let mut units = loader.load().map_err(load)?;
    for (app, beside) in manifests {
        // Units that lie beside it may have been written for any systemd.
        let written = |folder: &PathBuf| {
            Target::of_units(&app, |unit| std::fs::read_to_string(folder.join(unit)).ok())
        };
        let target = args.systemd.or(beside.map(written));
        let (target, unknown) = Target::choose(target, Path::new("/"))
            .map_err(|error| Failure::new(&error, Some(error.hint())).status(2))?;
        let Rendered { units: generated, notes } = render_for(&app, target);
        unknown.iter().chain(&notes).for_each(|note| eprintln!("note: {note}"));
        let there = |name: &str| units.names().any(|unit| unit == name);
        if beside.is_some() && generated.iter().any(|unit| there(unit.name.as_ref())) {
            units.expect(generated);
        } else {
            for unit in generated {
                units.add(unit.name.as_ref(), &unit.text);
            }
        }
    }
    Ok(units)
}

fn load(error: LoadError) -> Failure {
    Failure::new(&error, Some(error.hint().to_owned())).status(2)
}

fn app(manifest: &Path) -> Result<App, Failure> {
    App::read(manifest).map_err(|error| Failure::new(&error, error.hint()).status(2))
}
