//! What each command may bring about and how it may be refused, found by
//! following the functions that `decide` calls for it. A function is known by
//! its name and its module; where that is not enough to tell two apart, both
//! are followed, so that the answer may hold too much and never too little.

use crate::code::{Code, arm_variants, kebab};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{Expr, ExprMatch, ImplItem, Item, ItemFn};

#[derive(Debug, Clone, Default)]
pub(crate) struct Reached {
    pub(crate) events: BTreeSet<String>,
    pub(crate) refusals: BTreeSet<String>,
}

pub(crate) struct Reach {
    /// By command.
    pub(crate) of_command: BTreeMap<String, Reached>,
    /// Refusals that any command may meet, before it is looked at.
    pub(crate) every_command: BTreeSet<String>,
}

/// Module or type, and name.
type Name = (String, String);

#[derive(Default)]
struct Seen {
    /// Paths of which the last two parts may name something of the registry.
    paths: BTreeSet<Name>,
    methods: BTreeSet<String>,
    /// Names that are given in the function itself: no functions.
    locals: BTreeSet<String>,
}

/// The names that patterns give.
struct Given<'a>(&'a mut BTreeSet<String>);

impl<'ast> Visit<'ast> for Given<'_> {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.0.insert(pattern.ident.to_string());
        visit::visit_pat_ident(self, pattern);
    }
}

impl Seen {
    fn give(&mut self, pattern: &syn::Pat) {
        Given(&mut self.locals).visit_pat(pattern);
    }

    /// What is left when a value's name is no function's.
    fn without_locals(mut self) -> Self {
        let locals = std::mem::take(&mut self.locals);
        self.paths
            .retain(|(owner, name)| !(owner.is_empty() && locals.contains(name)));
        self
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut parts = path
            .segments
            .iter()
            .rev()
            .map(|part| part.ident.to_string());
        let last = parts.next().unwrap_or_default();
        self.paths.insert((parts.next().unwrap_or_default(), last));
        visit::visit_path(self, path);
    }
    // What is matched is looked at, not made.
    fn visit_pat(&mut self, pattern: &'ast syn::Pat) {
        self.give(pattern);
    }
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.methods.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        // `vec![…]` and its like hold expressions; others are passed over.
        let parser = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        if let Ok(inner) = mac.parse_body_with(parser) {
            for expression in &inner {
                self.visit_expr(expression);
            }
        }
    }
}

struct Functions {
    seen: BTreeMap<Name, Seen>,
    folders: BTreeMap<String, BTreeSet<String>>,
}

impl Functions {
    fn add(&mut self, owner: &str, signature: &syn::Signature, block: &syn::Block) {
        let name = signature.ident.to_string();
        let mut seen = Seen::default();
        for input in &signature.inputs {
            if let syn::FnArg::Typed(input) = input {
                seen.give(&input.pat);
            }
        }
        seen.visit_block(block);
        let seen = seen.without_locals();
        // Two of one name in one module (of different types): both count.
        let into = self.seen.entry((owner.to_owned(), name)).or_default();
        into.paths.extend(seen.paths);
        into.methods.extend(seen.methods);
    }

    fn collect(code: &Code) -> Self {
        let mut all = Self {
            seen: BTreeMap::new(),
            folders: code.folders.clone(),
        };
        for (module, file) in &code.files {
            for item in &file.items {
                match item {
                    Item::Fn(ItemFn { sig, block, .. }) => {
                        all.add(module, sig, block);
                    }
                    Item::Impl(item) => {
                        let owner = match &*item.self_ty {
                            syn::Type::Path(path) => {
                                path.path.segments.last().unwrap().ident.to_string()
                            }
                            _ => continue,
                        };
                        for inner in &item.items {
                            if let ImplItem::Fn(function) = inner {
                                all.add(&owner, &function.sig, &function.block);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        all
    }

    /// The functions that this may mean, seen from a module.
    fn resolve(&self, from: &str, (owner, name): &Name) -> Vec<Name> {
        if !name.starts_with(|c: char| c.is_lowercase()) {
            return Vec::new();
        }
        let exact = |owner: &str| {
            let key = (owner.to_owned(), name.clone());
            self.seen.contains_key(&key).then_some(key)
        };
        match owner.as_str() {
            // Its own module's, or one that was brought in by `use`.
            "" | "self" | "super" | "crate" => exact(from)
                .filter(|_| owner.is_empty() || owner == "self")
                .map_or_else(
                    || {
                        self.seen
                            .keys()
                            .filter(|(_, n)| n == name)
                            .cloned()
                            .collect()
                    },
                    |own| vec![own],
                ),
            "Self" => self
                .seen
                .keys()
                .filter(|(_, n)| n == name)
                .cloned()
                .collect(),
            owner => exact(owner).map_or_else(
                || {
                    let within = self.folders.get(owner);
                    // A module shows what those within it hold.
                    self.seen
                        .keys()
                        .filter(|(m, n)| {
                            n == name && within.is_some_and(|within| within.contains(m))
                        })
                        .cloned()
                        .collect()
                },
                |own| vec![own],
            ),
        }
    }

    fn follow(
        &self,
        from: &str,
        seen: &Seen,
        reached: &mut Reached,
        code: &Code,
        done: &mut BTreeSet<Name>,
    ) {
        for path in &seen.paths {
            let (owner, name) = path;
            if code.events.iter().any(|event| event.path == *path) {
                reached.events.insert(kebab(name));
            }
            if owner.ends_with("Refusal")
                && let Some(refused) = code
                    .refusals
                    .iter()
                    .find(|refused| refused.path == (owner.clone(), name.clone()))
            {
                reached.refusals.insert(refused.code.clone());
            }
            for function in self.resolve(from, path) {
                self.enter(&function, reached, code, done);
            }
        }
        for method in &seen.methods {
            // Methods of types of the registry; those of traits and of foreign
            // types make neither events nor refusals.
            for function in self
                .seen
                .keys()
                .filter(|(owner, name)| name == method && owner.starts_with(char::is_uppercase))
            {
                self.enter(function, reached, code, done);
            }
        }
    }

    fn enter(
        &self,
        function: &Name,
        reached: &mut Reached,
        code: &Code,
        done: &mut BTreeSet<Name>,
    ) {
        if function.0 == "MemoryTables" || !done.insert(function.clone()) {
            return;
        }
        if let Some(seen) = self.seen.get(function) {
            self.follow(&function.0, seen, reached, code, done);
        }
    }
}

/// The `match` on the command in `decide`.
struct Decision<'a>(Option<&'a ExprMatch>);

impl<'ast> Visit<'ast> for Decision<'ast> {
    fn visit_expr_match(&mut self, found: &'ast ExprMatch) {
        if self
            .0
            .is_none_or(|before| before.arms.len() < found.arms.len())
        {
            self.0 = Some(found);
        }
    }
}

pub(crate) fn of(code: &Code) -> Reach {
    let functions = Functions::collect(code);
    let decide = code
        .files
        .iter()
        .filter(|(module, _)| module == "decide")
        .flat_map(|(_, file)| &file.items)
        .find_map(|item| match item {
            Item::Fn(item) if item.sig.ident == "decide" && item.sig.inputs.len() == 4 => {
                Some(item)
            }
            _ => None,
        })
        .expect("the function decide(view, actor, command, now)");
    let mut decision = Decision(None);
    decision.visit_block(&decide.block);
    let decision = decision.0.expect("a match on the command in decide");

    let mut before = Seen::default();
    for statement in &decide.block.stmts {
        let is_decision = matches!(statement, syn::Stmt::Expr(Expr::Match(found), _) if std::ptr::eq(found, decision));
        if !is_decision {
            before.visit_stmt(statement);
        }
    }
    let mut every = Reached::default();
    functions.follow("decide", &before, &mut every, code, &mut BTreeSet::new());

    let mut of_command = BTreeMap::new();
    for arm in &decision.arms {
        let mut seen = Seen::default();
        for input in &decide.sig.inputs {
            if let syn::FnArg::Typed(input) = input {
                seen.give(&input.pat);
            }
        }
        seen.give(&arm.pat);
        seen.visit_expr(&arm.body);
        let seen = seen.without_locals();
        let mut reached = Reached::default();
        functions.follow("decide", &seen, &mut reached, code, &mut BTreeSet::new());
        for variant in arm_variants(arm) {
            of_command.insert(kebab(&variant), reached.clone());
        }
    }
    for command in &code.commands {
        assert!(
            of_command.contains_key(&command.id),
            "decide has no arm for {}",
            command.path.1
        );
    }
    Reach {
        of_command,
        every_command: every.refusals,
    }
}
