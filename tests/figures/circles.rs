//! Circles of files inside a room: each file of a circle leads to each other one by what it names.

use std::collections::{BTreeMap, BTreeSet};

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Macro, Path, Token, Visibility};

use super::source::{Names, Source, segments};

/// What is an edge from a file to another one.
#[derive(Clone, Copy, PartialEq)]
pub enum Edges {
    /// It names an item of the other one, in a `use` line or a path. What a file names of its own parents is left out:
    /// a folder is one thing, whose `mod.rs` holds what its files share.
    OutsideParents,
    /// The same, and what it names of its parents.
    All,
}

/// The circles of two files or more, the largest first.
pub fn inside(room: &str, sources: &[Source], edges: Edges) -> Vec<Vec<String>> {
    let names = Names::of(sources);
    let files = sources.iter().filter(|source| source.room == room);
    let uses: BTreeMap<&str, BTreeSet<&str>> =
        files.map(|source| (source.name.as_str(), used_by(source, &names, edges))).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (*file, reached_from(file, &uses))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for from in uses.keys() {
        let circle = uses.keys().filter(|to| leads(from, to) && leads(to, from));
        circles.insert(circle.map(|file| (*file).to_owned()).collect());
    }
    let mut circles: Vec<Vec<String>> = circles.into_iter().filter(|circle| circle.len() > 1).collect();
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

fn reached_from<'a>(file: &'a str, uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut ahead = vec![file];
    while let Some(file) = ahead.pop() {
        for next in uses.get(file).into_iter().flatten() {
            if reached.insert(*next) {
                ahead.push(next);
            }
        }
    }
    reached
}

/// Files of the same room of which this one names an item.
fn used_by<'a>(source: &'a Source, names: &Names<'a>, edges: Edges) -> BTreeSet<&'a str> {
    let mut paths = Paths(Vec::new());
    for item in &source.items {
        paths.visit_item(item);
    }
    let in_paths = paths.0.iter().filter_map(|path| names.lookup(source, path));
    let imported = source.imports.values().filter_map(|path| names.follow(path.clone()));
    in_paths
        .chain(imported)
        // A module that is only named is not used yet: the paths through it are counted.
        .filter(|(_, item)| !item.is_empty())
        .map(|(file, _)| file)
        .filter(|file| file.room == source.room && file.name != source.name)
        .filter(|file| edges == Edges::All || !source.module.starts_with(&file.module))
        .map(|file| file.name.as_str())
        .collect()
}

/// Every path in types, expressions, patterns and the arguments of macros.
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast Path) {
        self.0.push(segments(path));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        let arguments = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
        for argument in arguments.iter().flatten() {
            let mut inside = Paths(Vec::new());
            inside.visit_expr(argument);
            self.0.append(&mut inside.0);
        }
    }
}
