//! The files of `src`, parsed, without their tests, and the names that each module brings in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, ItemUse, UseTree};

/// One file of `src`.
pub struct Source {
    /// Its path below `src`: `policy/recovery/gates.rs`.
    pub name: String,
    /// The first name below `src`: `policy`.
    pub room: String,
    /// The module it is: `["policy", "recovery", "gates"]`.
    pub module: Vec<String>,
    /// Lines of the file, as `wc` counts them.
    pub lines: usize,
    /// Lines before its unit tests.
    pub lines_before_tests: usize,
    /// Its items without what is compiled for tests only.
    pub items: Vec<Item>,
    /// What its `use` lines bring in: the name here, and the absolute path.
    pub imports: BTreeMap<String, Vec<String>>,
}

/// Every file below `root/src` that belongs to a room and does not only hold tests.
pub fn read(root: &Path) -> Result<Vec<Source>, String> {
    let src = root.join("src");
    let mut sources = Vec::new();
    for path in paths(&src)? {
        let inside = path.strip_prefix(&src).map_err(|why| why.to_string())?;
        let name = inside.display().to_string();
        if name.ends_with("tests.rs") || ["lib.rs", "main.rs"].contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|why| format!("{name}: {why}"))?;
        let file = syn::parse_file(&text).map_err(|why| format!("{name}: {why}"))?;
        let module = module(inside);
        let items = without_tests(file.items);
        let mut imports = Imports { module: &module, found: BTreeMap::new() };
        for item in &items {
            imports.visit_item(item);
        }
        let imports = imports.found;
        sources.push(Source {
            room: module.first().cloned().unwrap_or_default(),
            lines: text.lines().count(),
            lines_before_tests: text.split("#[cfg(test)]\n").next().unwrap_or_default().lines().count(),
            name,
            module,
            items,
            imports,
        });
    }
    Ok(sources)
}

fn paths(src: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))? {
            let path = entry.map_err(|why| why.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn module(inside: &Path) -> Vec<String> {
    let names = inside.with_extension("");
    let mut names: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// What the unit tests name and take is not counted.
fn without_tests(items: Vec<Item>) -> Vec<Item> {
    items.into_iter().filter(|item| !attributes(item).iter().any(for_tests)).map(declared).collect()
}

/// A struct that is declared within `kept!` is a struct like any other.
fn declared(item: Item) -> Item {
    match &item {
        Item::Macro(made) if made.mac.path.is_ident("kept") => made.mac.parse_body().unwrap_or(item),
        _ => item,
    }
}

fn for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|what| what.is_ident("test"))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

struct Imports<'a> {
    module: &'a [String],
    found: BTreeMap<String, Vec<String>>,
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut leaves = Vec::new();
        leaves_of(&item.tree, &mut Vec::new(), &mut leaves);
        for (name, path) in leaves {
            if let Some(path) = absolute(&path, self.module) {
                self.found.insert(name, path);
            }
        }
    }
}

/// The name under which each leaf of a `use` is known here, and its path. A glob has the name `*` and its path.
fn leaves_of(tree: &UseTree, before: &mut Vec<String>, leaves: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            leaves_of(&path.tree, before, leaves);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            leaves.push((before.last().cloned().unwrap_or_default(), before.clone()));
        }
        UseTree::Name(name) => {
            let path = [before.as_slice(), &[name.ident.to_string()]].concat();
            leaves.push((name.ident.to_string(), path));
        }
        UseTree::Rename(name) => {
            let path = [before.as_slice(), &[name.ident.to_string()]].concat();
            leaves.push((name.rename.to_string(), path));
        }
        UseTree::Glob(_) => leaves.push((format!("{}::*", before.join("::")), before.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                leaves_of(tree, before, leaves);
            }
        }
    }
}

/// A path that starts with `crate`, `self` or `super`, from the root of the crate; another one as it is, to be looked up
/// among the children of the module.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let mut above = module.split_last()?.1;
            let mut rest = rest;
            while let Some((_, further)) = rest.split_first().filter(|(first, _)| *first == "super") {
                above = above.split_last()?.1;
                rest = further;
            }
            Some([above, rest].concat())
        }
        _ => Some([module, path].concat()),
    }
}

/// One re-export after the other, at most: two modules may name each other.
const MOST_REEXPORTS: usize = 8;

/// The names of a path, without its generic arguments.
pub fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Where names lead.
pub struct Names<'a> {
    modules: BTreeMap<&'a [String], &'a Source>,
}

impl<'a> Names<'a> {
    pub fn of(sources: &'a [Source]) -> Self {
        Self { modules: sources.iter().map(|source| (source.module.as_slice(), source)).collect() }
    }

    /// The file that a path of `from` leads to, and what is named in it. Re-exports are followed.
    pub fn lookup(&self, from: &'a Source, path: &[String]) -> Option<(&'a Source, Vec<String>)> {
        let (first, rest) = path.split_first()?;
        let path = match from.imports.get(first) {
            Some(imported) => [imported.as_slice(), rest].concat(),
            None => absolute(path, &from.module)?,
        };
        self.follow(path)
    }

    /// The same for a path from the root of the crate.
    pub fn follow(&self, path: Vec<String>) -> Option<(&'a Source, Vec<String>)> {
        self.follow_some(path, MOST_REEXPORTS)
    }

    fn follow_some(&self, path: Vec<String>, most: usize) -> Option<(&'a Source, Vec<String>)> {
        let (file, rest) = (0..=path.len()).rev().find_map(|at| {
            let (module, rest) = path.split_at(at);
            Some((*self.modules.get(module)?, rest.to_vec()))
        })?;
        let again = rest.split_first().and_then(|(first, rest)| {
            let target = file.imports.get(first)?;
            (most > 0).then(|| self.follow_some([target.as_slice(), rest].concat(), most - 1)).flatten()
        });
        Some(again.unwrap_or((file, rest)))
    }
}
