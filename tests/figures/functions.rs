//! Functions and what they take.

use syn::visit::{self, Visit};
use syn::{FnArg, Pat, ReceiverKind, Signature, Type};

use super::source::Source;

/// One function, method or signature in a trait.
pub struct Function {
    /// `policy/units.rs: judge`.
    pub name: String,
    /// It takes `self`, in whatever way.
    pub method: bool,
    /// It takes `&mut self`.
    pub mut_self: bool,
    /// Parameters of the type `&mut …`, `self` not counted.
    pub mut_parameters: usize,
    /// Parameters, `self` not counted.
    pub parameters: usize,
    /// A parameter is named `wake`.
    pub wake: bool,
}

impl Function {
    /// Parameters that it changes, `&mut self` counted.
    pub fn muts(&self) -> usize {
        self.mut_parameters + usize::from(self.mut_self)
    }
}

/// The functions of a file, those inside functions and the signatures of traits included.
pub fn of(source: &Source) -> Vec<Function> {
    let mut finder = Finder { source, found: Vec::new() };
    for item in &source.items {
        finder.visit_item(item);
    }
    finder.found
}

struct Finder<'a> {
    source: &'a Source,
    found: Vec<Function>,
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_signature(&mut self, signature: &'ast Signature) {
        let mut function = Function {
            name: format!("{}: {}", self.source.name, signature.ident),
            method: false,
            mut_self: false,
            mut_parameters: 0,
            parameters: 0,
            wake: false,
        };
        for taken in &signature.inputs {
            match taken {
                FnArg::Receiver(receiver) => {
                    function.method = true;
                    function.mut_self = matches!(receiver.kind, ReceiverKind::Reference(_, _, Some(_)));
                }
                FnArg::Typed(taken) => {
                    function.parameters += 1;
                    function.wake |= matches!(&*taken.pat, Pat::Ident(name) if name.ident == "wake");
                    if matches!(&*taken.ty, Type::Reference(to) if to.mutability.is_some()) {
                        function.mut_parameters += 1;
                    }
                }
            }
        }
        self.found.push(function);
        visit::visit_signature(self, signature);
    }
}
