//! A unit whose file, or program, is gone: of what still runs of it, and with which package it went.

use crate::model::finding::{Code, Finding};
use crate::model::incident::Incident;
use crate::model::unit::{LoadState, UnitReading};
use crate::policy::effects::Out;

use super::Unit;

impl Unit {
    /// What is said of a unit that has no file.
    pub(super) fn missing_sentence(&self, reading: &UnitReading) -> String {
        let unit = &self.name;
        let file = &self.spec.file;
        if reading.active.is_down() && self.run.settings().is_none() {
            return format!("there is no unit {unit}; the file {file} manages nothing");
        }
        let stood_for = self.run.settings().and_then(|known| known.names.first()).filter(|id| *id != unit);
        if let Some(id) = stood_for {
            return format!("{unit} was another name of {id}, and is no more; rename {file} to {id}.toml");
        }
        if reading.active.is_down() {
            return format!("the unit file of {unit} is gone; if that was meant, remove {file} as well");
        }
        let left = reading
            .main_pid
            .map_or("it still runs".to_owned(), |pid| format!("its process {pid} still runs"));
        format!("the unit file of {unit} is gone; {left}")
    }

    /// Its file went away. A package manager that did that may bring another one, until it is done.
    pub(super) fn follow_load(&mut self, reading: &UnitReading) {
        let was_there = self.run.settings().is_some();
        if reading.load == LoadState::NotFound && (was_there || !reading.active.is_down()) {
            self.upgraded = true;
            self.disabling_doubted = true;
            self.out.push(Out::AskPackages);
        }
    }

    /// Which package took it along, where the close look has found that.
    pub(super) fn name_package(found: &mut [Finding], own: &Incident) {
        let removed = own.changes.iter().find_map(|change| {
            let packages = change.what.strip_prefix("packages: ")?;
            packages.split(", ").find_map(|one| one.strip_suffix(" removed"))
        });
        let Some(package) = removed else {
            return;
        };
        for one in found.iter_mut() {
            let message = &one.message;
            if one.code == Code::UnitMissing {
                one.message =
                    message.replacen(" is gone; ", &format!(" is gone with package {package}; "), 1);
            } else if matches!(one.code, Code::UnitFailed | Code::UnitInactive) {
                one.message =
                    message.replacen(" is not there", &format!(" is gone with package {package}"), 1);
            }
        }
    }
}
