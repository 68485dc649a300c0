//! How much one struct holds: the structs and fields that the types of its fields lead to.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Fields, GenericArgument, Item, Path, PathArguments, Type};

use super::source::{Names, Source, segments};

/// A struct and every struct that it reaches. The payload of an enum's variants is not followed: it is there only
/// in that variant.
#[derive(Debug, Default)]
pub struct Reach {
    pub structs: usize,
    /// Named fields of these structs.
    pub fields: usize,
    /// Fields of the type `Option<Moment>`.
    pub moments: usize,
    /// Fields of the type `bool`.
    pub flags: usize,
}

/// A type is known by its file and its name.
type Key = (String, String);

/// The reach of the struct of this name, wherever it is declared in these rooms.
pub fn of(name: &str, rooms: &[&str], sources: &[Source]) -> Reach {
    let names = Names::of(sources);
    let declared = declared(sources);
    let start = declared.iter().find(|((_, named), (source, item))| {
        named == name && rooms.contains(&source.room.as_str()) && matches!(item, Item::Struct(_))
    });
    let mut ahead: Vec<Key> = start.map(|(key, _)| key.clone()).into_iter().collect();
    let mut seen: BTreeSet<Key> = ahead.iter().cloned().collect();
    let mut reach = Reach::default();
    while let Some(key) = ahead.pop() {
        let Some((source, item)) = declared.get(&key) else { continue };
        let mut types = Types(Vec::new());
        match item {
            Item::Struct(item) => {
                reach.count(&item.fields);
                types.visit_fields(&item.fields);
            }
            Item::Type(item) => types.visit_type(&item.ty),
            _ => {}
        }
        for (file, rest) in types.0.iter().filter_map(|path| names.lookup(source, path)) {
            let [ident] = rest.as_slice() else { continue };
            let key = (file.name.clone(), ident.clone());
            if declared.contains_key(&key) && seen.insert(key.clone()) {
                ahead.push(key);
            }
        }
    }
    reach
}

fn declared(sources: &[Source]) -> BTreeMap<Key, (&Source, &Item)> {
    let mut declared = BTreeMap::new();
    for source in sources {
        for item in &source.items {
            let ident = match item {
                Item::Struct(item) => &item.ident,
                Item::Type(item) => &item.ident,
                _ => continue,
            };
            declared.insert((source.name.clone(), ident.to_string()), (source, item));
        }
    }
    declared
}

impl Reach {
    fn count(&mut self, fields: &Fields) {
        self.structs += 1;
        for field in fields.iter().filter(|field| field.ident.is_some()) {
            self.fields += 1;
            self.moments += usize::from(is_optional_moment(&field.ty));
            self.flags += usize::from(matches!(&field.ty, Type::Path(path) if path.path.is_ident("bool")));
        }
    }
}

fn is_optional_moment(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let Some(option) = path.path.segments.last().filter(|last| last.ident == "Option") else { return false };
    let PathArguments::AngleBracketed(arguments) = &option.arguments else { return false };
    let Some(GenericArgument::Type(Type::Path(inner))) = arguments.args.first() else { return false };
    inner.path.segments.last().is_some_and(|last| last.ident == "Moment")
}

/// Every path in a type.
struct Types(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Types {
    fn visit_path(&mut self, path: &'ast Path) {
        self.0.push(segments(path));
        visit::visit_path(self, path);
    }
}
