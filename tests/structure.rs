//! The walls of `ARCHITECTURE.md`, held against what the files import.
//!
//! A file is a module; it points to each module that a path in it names (`use`, or in the midst of the code). Tests
//! are left out, and what a `mod.rs` hands on (`pub use`): that is a face, and no arrow.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

type Module = Vec<String>;
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

/// The wings of the shell, from the bottom up: each may point to those before it.
const WINGS: [&str; 5] = ["figures", "peers", "sequence", "io", "operators"];

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `src/node/mod.rs` is `node`, `src/lib.rs` the root.
fn module_of(file: &Path) -> Module {
    let mut module: Module =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(&*module[module.len() - 1], "mod" | "lib") {
        module.pop();
    }
    module
}

fn is_test(module: &Module) -> bool {
    module.iter().any(|part| part == "tests" || part.ends_with("_tests") || part == "testing")
}

/// The text without comments, strings and what stands under `#[cfg(test)] mod tests`.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    // Strings have no paths that matter but may have braces.
    lines
        .map(|line| if line.contains('"') { line.split('"').step_by(2).collect() } else { line.to_owned() })
        .collect::<Vec<String>>()
        .join("\n")
}

/// All paths in a piece of code, groups resolved: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str, found: &mut Vec<Module>) {
    let mut rest = code;
    while let Some(at) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        let from = &rest[at..];
        let mut prefix = Module::new();
        let mut left = from;
        loop {
            let len = left.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(left.len());
            prefix.push(left[..len].to_owned());
            left = &left[len..];
            match left.strip_prefix("::") {
                Some(more) if more.starts_with(|c: char| c.is_alphabetic() || c == '_') => left = more,
                Some(more) if more.starts_with('{') => {
                    let group = group(more);
                    let mut inner = Vec::new();
                    for part in split(&group[1..group.len() - 1]) {
                        paths(part, &mut inner);
                    }
                    found.extend(inner.into_iter().map(|path| [&prefix[..], &path[..]].concat()));
                    left = &more[group.len()..];
                    prefix.clear();
                    break;
                }
                _ => break,
            }
        }
        if !prefix.is_empty() {
            found.push(prefix);
        }
        rest = left;
    }
}

/// From its opening brace to the closing one.
fn group(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 {
            return &text[..=at];
        }
    }
    panic!("a group ends: {text}");
}

/// At the commas that stand in no inner group.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    })
    .collect()
}

/// Where a path points, seen from `module`: the deepest module of it.
fn target(path: &Module, module: &Module, modules: &BTreeSet<Module>) -> Option<Module> {
    let mut at = match &*path[0] {
        "crate" => Module::new(),
        "self" => module.clone(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        _ => return None,
    };
    for part in &path[1..] {
        if part == "super" {
            at.pop()?;
        } else if modules.contains(&[&at[..], std::slice::from_ref(part)].concat()) {
            at.push(part.clone());
        } else {
            break;
        }
    }
    (at != *module && modules.contains(&at)).then_some(at)
}

/// Without what a face hands on.
fn without_faces(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("pub use ").into_iter().chain(rest.find("pub(crate) use ")).min() {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find(';').expect("a use ends")..];
    }
    kept + rest
}

fn arrows() -> Arrows {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    let module = |file: &PathBuf| module_of(file.strip_prefix(&root).expect("below the root"));
    let modules: BTreeSet<Module> = found.iter().map(module).filter(|module| !is_test(module)).collect();
    let mut arrows = Arrows::new();
    for file in &found {
        let from = module(file);
        if is_test(&from) {
            continue;
        }
        let code = without_faces(&code(&fs::read_to_string(file).expect("a source")));
        let mut named = Vec::new();
        paths(&code, &mut named);
        let targets = named.iter().filter_map(|path| target(path, &from, &modules)).collect();
        arrows.insert(from, targets);
    }
    arrows
}

/// A way from a module back to itself.
fn circle(arrows: &Arrows) -> Option<Vec<Module>> {
    fn walk(at: &Module, arrows: &Arrows, way: &mut Vec<Module>, done: &mut BTreeSet<Module>) -> bool {
        if let Some(start) = way.iter().position(|module| module == at) {
            way.drain(..start);
            return true;
        }
        if done.contains(at) {
            return false;
        }
        way.push(at.clone());
        let found = arrows.get(at).is_some_and(|next| next.iter().any(|to| walk(to, arrows, way, done)));
        if !found {
            way.pop();
            done.insert(at.clone());
        }
        found
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|from| {
        let mut way = Vec::new();
        walk(from, arrows, &mut way, &mut done).then_some(way)
    })
}

/// The arrows between groups of modules; those within a group and from or to what has none are left out.
fn between(arrows: &Arrows, group: impl Fn(&Module) -> Option<Module>) -> Arrows {
    let mut groups = Arrows::new();
    for (from, targets) in arrows {
        let Some(from) = group(from) else { continue };
        let targets: BTreeSet<_> = targets.iter().filter_map(&group).filter(|to| *to != from).collect();
        groups.entry(from).or_default().extend(targets);
    }
    groups
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let mut found = Vec::new();
    paths("use super::{a, b::{self, C}};\nlet x = crate::d::E::new(super::super::f());", &mut found);
    let found: BTreeSet<String> = found.iter().map(|path| path.join("::")).collect();
    for path in ["super::a", "super::b::self", "super::b::C", "crate::d::E::new", "super::super::f"] {
        assert!(found.contains(path), "{path} in {found:?}");
    }
    let module = |text: &str| -> Module { text.split("::").map(str::to_owned).collect() };
    let ring = Arrows::from([
        (module("a"), BTreeSet::from([module("b")])),
        (module("b"), BTreeSet::from([module("c")])),
        (module("c"), BTreeSet::from([module("b")])),
    ]);
    assert_eq!(circle(&ring), Some(vec![module("b"), module("c")]));
}

#[test]
fn parts_of_the_crate_form_no_circle() {
    let parts = between(&arrows(), |module| (!module.is_empty()).then(|| vec![module[0].clone()]));
    assert!(parts.len() > 10 && parts.values().map(BTreeSet::len).sum::<usize>() > 10, "{parts:?}");
    assert_eq!(circle(&parts), None);
}

#[test]
fn files_of_one_folder_form_no_circle() {
    // A folder's `mod.rs` and the files beside it are one thing, whose top it is; the files among each other are not.
    let arrows = arrows();
    let folders: BTreeSet<Module> = arrows
        .keys()
        .filter(|module| !module.is_empty())
        .map(|module| module[..module.len() - 1].to_vec())
        .collect();
    for folder in folders.iter().filter(|folder| **folder != ["server", "io"]) {
        let siblings = between(&arrows, |module| {
            (module.len() > folder.len() && module.starts_with(folder))
                .then(|| module[..=folder.len()].to_vec())
        });
        assert_eq!(circle(&siblings), None, "in {folder:?}");
    }
}

#[test]
fn wings_of_the_shell_point_downwards() {
    let arrows = arrows();
    let wing = |module: &Module| match &module[..] {
        [server, wing, ..] if server == "server" => WINGS.iter().position(|name| name == wing),
        _ => None,
    };
    let mut seen = 0;
    for (from, targets) in &arrows {
        for to in targets {
            if let (Some(above), Some(below)) = (wing(from), wing(to)) {
                assert!(below <= above, "{from:?} points up to {to:?}");
                // A wing has one face: nobody looks behind it.
                assert!(above == below || to.len() == 2, "{from:?} looks behind the face of {to:?}");
                seen += usize::from(above != below);
            }
        }
        let is_file = |module: &Module| wing(module).is_some() && module.len() == 2;
        assert!(
            !(is_file(from) && targets.iter().any(|to| wing(to) == wing(from))),
            "{from:?} is a face, and has no arrows into its own wing but what it hands on"
        );
    }
    assert!(seen > 20, "{seen} arrows between wings");
    // Within a wing, files with their folders' faces, too.
    let inside =
        between(&arrows, |module| wing(module).filter(|&wing| WINGS[wing] != "io").map(|_| module.clone()));
    assert_eq!(circle(&inside), None);
}
