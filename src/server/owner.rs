//! Who this process is, and whose a file or directory is: for messages about permissions.

use std::{
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Who runs the server, from the system's list of users; empty if it is not there.
pub(super) fn user_name() -> String {
    name_in("/etc/passwd", rustix::process::getuid().as_raw()).unwrap_or_default()
}

/// Whether files can be made in a directory, as far as permissions and the mount say.
pub(super) fn writable(dir: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    access(dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from)
}

/// What an error on `path` has to do with whose it is: who runs here, whose the path is, what to do. Empty for other errors.
pub fn permission_hint(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {}
        io::ErrorKind::ReadOnlyFilesystem => {
            return ": the file system is mounted read-only; have it mounted with rw, or set another directory".to_owned();
        }
        _ => return String::new(),
    }
    let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let me = named("/etc/passwd", uid);
    let Some((place, meta)) = nearest(path) else { return format!(": this process runs as {me}") };
    let (owner, group) = (named("/etc/passwd", meta.uid()), named("/etc/group", meta.gid()));
    let mode = meta.permissions().mode() & 0o7777;
    let remedy = if place == *path {
        format!("give it to that user (chown -R {uid}:{gid} {})", place.display())
    } else {
        format!("make {} and give it to that user (chown {uid}:{gid})", path.display())
    };
    format!(
        ": {} belongs to {owner}, group {group}, mode {mode:04o}, and this process runs as {me}; {remedy}, or run as its owner",
        place.display()
    )
}

/// The path itself, or of the directories above it the first one that this process can see.
fn nearest(path: &Path) -> Option<(PathBuf, std::fs::Metadata)> {
    path.ancestors().find_map(|place| Some((place.to_owned(), std::fs::metadata(place).ok()?)))
}

/// A user or group by name and number.
fn named(list: &str, id: u32) -> String {
    name_in(list, id).map_or_else(|| id.to_string(), |name| format!("{name} ({id})"))
}

/// The name of a number in a file like `/etc/passwd`.
fn name_in(list: &str, id: u32) -> Option<String> {
    let (text, id) = (std::fs::read_to_string(list).ok()?, id.to_string());
    let mut fields = text.lines().map(|line| line.split(':'));
    fields.find_map(|mut line| {
        let name = line.next()?;
        (line.nth(1) == Some(&*id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_error_says_whose_it_is_and_who_asks() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o750)).expect("it is ours");
        let missing = dir.path().join("a/b");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let uid = rustix::process::geteuid().as_raw();
        for (path, remedy) in [(dir.path(), "chown -R "), (&*missing, "make ")] {
            let hint = permission_hint(path, &denied);
            for words in [&format!("{} belongs to", dir.path().display()), "mode 0750", "runs as", remedy] {
                assert!(hint.contains(words), "no {words} in {hint}");
            }
            assert!(hint.contains(&format!("({uid})")) || hint.contains(&format!("runs as {uid}")), "{hint}");
        }
        assert!(permission_hint(dir.path(), &io::ErrorKind::ReadOnlyFilesystem.into()).contains("read-only"));
        assert_eq!(permission_hint(dir.path(), &io::ErrorKind::NotFound.into()), "");
    }

    #[test]
    fn what_can_be_written_is_writable() {
        let dir = tempfile::tempdir().expect("a directory");
        writable(dir.path()).expect("it is ours");
        writable(&dir.path().join("a")).expect_err("it is not there");
    }
}
