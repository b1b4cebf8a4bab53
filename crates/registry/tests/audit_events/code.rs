//! What the registry's source says: its commands, events and refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, Fields, File, ImplItem, Item, ItemEnum, Lit, Meta, Pat, Type};

/// A command or an event.
#[derive(Debug, Clone)]
pub(crate) struct Noun {
    /// As it stands in the ledger.
    pub(crate) id: String,
    /// As it stands in the source: enum and variant.
    pub(crate) path: (String, String),
    /// Name, type, and what the source says about it.
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: String,
}

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) en: String,
    pub(crate) ja: String,
    /// Enum and variant.
    pub(crate) path: (String, String),
}

pub(crate) struct Code {
    pub(crate) commands: Vec<Noun>,
    pub(crate) events: Vec<Noun>,
    pub(crate) refusals: Vec<Refused>,
    /// Every source file: its module's name, and its items.
    pub(crate) files: Vec<(String, File)>,
    /// Of each folder the modules in it: what they hold is shown as the folder's.
    pub(crate) folders: BTreeMap<String, BTreeSet<String>>,
}

pub(crate) fn read() -> Code {
    let files = sources();
    let structs = structs(&files);
    let commands = nouns("Command", &files, &structs);
    let events = nouns("Event", &files, &structs);
    let refusals = refusals(&files);
    Code {
        commands,
        events,
        refusals,
        files,
        folders: folders(),
    }
}

fn paths() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut paths,
    );
    paths.sort();
    paths
}

fn folders() -> BTreeMap<String, BTreeSet<String>> {
    let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in paths() {
        let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let folder = name(path.parent().unwrap());
        folders.entry(folder).or_default().insert(name(&path));
    }
    folders
}

fn sources() -> Vec<(String, File)> {
    paths()
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let module = if stem == "mod" {
                path.parent()
                    .unwrap()
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
            } else {
                stem
            };
            (module.to_owned(), syn::parse_file(&text).unwrap())
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|end| end == "rs") {
            paths.push(path);
        }
    }
}

fn find_enum<'a>(files: &'a [(String, File)], name: &str) -> &'a ItemEnum {
    files
        .iter()
        .flat_map(|(_, file)| &file.items)
        .find_map(|item| match item {
            Item::Enum(item) if item.ident == name => Some(item),
            _ => None,
        })
        .unwrap_or_else(|| panic!("there is no enum {name} in the registry"))
}

fn structs(files: &[(String, File)]) -> BTreeMap<String, Fields> {
    files
        .iter()
        .flat_map(|(_, file)| &file.items)
        .filter_map(|item| match item {
            Item::Struct(item) => Some((item.ident.to_string(), item.fields.clone())),
            _ => None,
        })
        .collect()
}

fn nouns(name: &str, files: &[(String, File)], structs: &BTreeMap<String, Fields>) -> Vec<Noun> {
    let mut nouns = Vec::new();
    for variant in &find_enum(files, name).variants {
        // One that holds another enum stands in the ledger as that one's.
        if serde_word(&variant.attrs, "untagged") {
            let inner = variant.fields.iter().next().map(|field| kind(&field.ty));
            let inner = inner.unwrap_or_else(|| panic!("{name}::{} holds nothing", variant.ident));
            nouns.extend(self::nouns(&inner, files, structs));
            continue;
        }
        nouns.push(Noun {
            id: kebab(&variant.ident.to_string()),
            path: (name.to_owned(), variant.ident.to_string()),
            fields: fields(&variant.fields, structs),
        });
    }
    nouns
}

/// The fields as they stand in the ledger: those of a struct in a variant of
/// one are its own.
fn fields(of: &Fields, structs: &BTreeMap<String, Fields>) -> Vec<Field> {
    match of {
        Fields::Named(named) => named
            .named
            .iter()
            .filter(|field| !serde_word(&field.attrs, "skip"))
            .flat_map(|field| {
                if serde_word(&field.attrs, "flatten") {
                    let inner = kind(&field.ty);
                    return fields(
                        structs.get(&inner).unwrap_or_else(|| {
                            panic!("{inner}, which is flattened, is no struct of the registry")
                        }),
                        structs,
                    );
                }
                vec![Field {
                    name: field.ident.as_ref().unwrap().to_string(),
                    kind: kind(&field.ty),
                }]
            })
            .collect(),
        Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
            let mut inner = kind(&unnamed.unnamed[0].ty);
            if let Some(boxed) = inner.strip_prefix("Box<").and_then(|t| t.strip_suffix('>')) {
                inner = boxed.to_owned();
            }
            fields(
                structs
                    .get(&inner)
                    .unwrap_or_else(|| panic!("{inner} is no struct of the registry")),
                structs,
            )
        }
        Fields::Unnamed(_) => panic!("a variant with several unnamed fields has no names to list"),
        Fields::Unit => Vec::new(),
    }
}

fn serde_word(attrs: &[Attribute], word: &str) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("serde")
            && matches!(&attr.meta, Meta::List(list)
                if list.tokens.to_string().split(',').any(|part| part.trim() == word))
    })
}

fn kind(ty: &Type) -> String {
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last().unwrap();
            let arguments = match &last.arguments {
                syn::PathArguments::AngleBracketed(inner) => {
                    let inner: Vec<String> = inner
                        .args
                        .iter()
                        .filter_map(|argument| match argument {
                            syn::GenericArgument::Type(ty) => Some(kind(ty)),
                            _ => None,
                        })
                        .collect();
                    format!("<{}>", inner.join(", "))
                }
                _ => String::new(),
            };
            format!("{}{arguments}", last.ident)
        }
        Type::Array(array) => format!("[{}]", kind(&array.elem)),
        Type::Tuple(tuple) => {
            let inner: Vec<String> = tuple.elems.iter().map(kind).collect();
            format!("({})", inner.join(", "))
        }
        _ => panic!("a field of a kind that this reader does not know"),
    }
}

/// Every enum whose `code` is a name for each variant.
fn refusals(files: &[(String, File)]) -> Vec<Refused> {
    let items = files.iter().flat_map(|(_, file)| &file.items);
    let mut found = Vec::new();
    for item in items {
        let Item::Impl(item) = item else { continue };
        if item.trait_.is_some() {
            continue;
        }
        let name = kind(&item.self_ty);
        if !name.ends_with("Refusal") {
            continue;
        }
        let method = |wanted: &str| {
            item.items.iter().find_map(|inner| match inner {
                ImplItem::Fn(function) if function.sig.ident == wanted => Some(function),
                _ => None,
            })
        };
        let (Some(code), Some(ja)) = (method("code"), method("ja")) else {
            continue;
        };
        let (codes, ja) = (texts_by_variant(code), texts_by_variant(ja));
        let en = error_texts(find_enum(files, &name));
        for variant in &find_enum(files, &name).variants {
            let variant = variant.ident.to_string();
            // One that passes on to another enum has no code of its own.
            let Some(code) = codes.get(&variant) else {
                assert!(
                    !en.contains_key(&variant),
                    "{name}::{variant} has a text and no code"
                );
                continue;
            };
            found.push(Refused {
                code: code.clone(),
                en: en
                    .get(&variant)
                    .unwrap_or_else(|| panic!("{name}::{variant} has no English text"))
                    .clone(),
                ja: ja
                    .get(&variant)
                    .unwrap_or_else(|| panic!("{name}::{variant} has no Japanese text"))
                    .clone(),
                path: (name.clone(), variant),
            });
        }
    }
    found.sort_by(|one, other| one.code.cmp(&other.code));
    assert!(found.len() > 80, "the refusals are found");
    for pair in found.windows(2) {
        assert_ne!(pair[0].code, pair[1].code, "two refusals have one code");
    }
    found
}

/// For each arm of the method's `match`: the variant, and the first text in it.
fn texts_by_variant(function: &syn::ImplItemFn) -> BTreeMap<String, String> {
    use syn::visit::Visit;
    struct Arms(BTreeMap<String, String>);
    impl<'ast> Visit<'ast> for Arms {
        fn visit_arm(&mut self, arm: &'ast syn::Arm) {
            if let Some(text) = first_text(&arm.body) {
                for variant in variants(&arm.pat) {
                    self.0.entry(variant).or_insert_with(|| text.clone());
                }
            }
        }
    }
    let mut arms = Arms(BTreeMap::new());
    arms.visit_block(&function.block);
    arms.0
}

fn variants(pattern: &Pat) -> Vec<String> {
    let last = |path: &syn::Path| path.segments.last().unwrap().ident.to_string();
    match pattern {
        Pat::Or(or) => or.cases.iter().flat_map(variants).collect(),
        Pat::Path(path) => vec![last(&path.path)],
        Pat::Struct(of) => vec![last(&of.path)],
        Pat::TupleStruct(of) => vec![last(&of.path)],
        Pat::Paren(inner) => variants(&inner.pat),
        Pat::Reference(inner) => variants(&inner.pat),
        _ => Vec::new(),
    }
}

pub(crate) fn arm_variants(arm: &syn::Arm) -> Vec<String> {
    variants(&arm.pat)
}

/// The first text literal in an expression, also inside of `format!`.
fn first_text(expression: &Expr) -> Option<String> {
    use syn::visit::Visit;
    struct First(Option<String>);
    impl<'ast> Visit<'ast> for First {
        fn visit_lit(&mut self, lit: &'ast Lit) {
            if let (None, Lit::Str(text)) = (&self.0, lit) {
                self.0 = Some(text.value());
            }
        }
        fn visit_macro(&mut self, mac: &'ast syn::Macro) {
            if self.0.is_none() {
                self.0 = literal_in(mac.tokens.clone());
            }
        }
    }
    let mut first = First(None);
    first.visit_expr(expression);
    first.0
}

fn literal_in(tokens: proc_macro2::TokenStream) -> Option<String> {
    tokens.into_iter().find_map(|token| match token {
        proc_macro2::TokenTree::Literal(literal) => {
            syn::parse_str::<syn::LitStr>(&literal.to_string())
                .ok()
                .map(|text| text.value())
        }
        _ => None,
    })
}

fn error_texts(item: &ItemEnum) -> BTreeMap<String, String> {
    item.variants
        .iter()
        .filter_map(|variant| {
            let attr = variant
                .attrs
                .iter()
                .find(|attr| attr.path().is_ident("error"))?;
            let Meta::List(list) = &attr.meta else {
                return None;
            };
            Some((variant.ident.to_string(), literal_in(list.tokens.clone())?))
        })
        .collect()
}

/// `SiteAdded` as serde's kebab-case writes it.
pub(crate) fn kebab(name: &str) -> String {
    let mut out = String::new();
    for (place, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && place > 0 {
            out.push('-');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
