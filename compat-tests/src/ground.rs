//! The ground a data directory stands on, made to fail: a block device that forgets, a file system that is full,
//! frozen or read-only.
//!
//! All of it needs the right to mount and a free loop device. Where that is missing, [`possible`] says why, and the
//! caller reports the test as skipped. Mounts are taken down when dropped; a server on one must have ended by then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why nothing can be mounted here, if so.
///
/// # Errors
/// The reason.
pub fn possible(needs_loop: bool) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("mounting needs root".to_owned());
    }
    let place = std::env::temp_dir().join(format!("oxk-ground-{}", std::process::id()));
    fs::create_dir_all(&place).map_err(|e| e.to_string())?;
    let tried = if needs_loop {
        PowerCut::new(&place.join("mount")).map(drop)
    } else {
        Mount::tmpfs(&place, 1 << 20).map(drop)
    };
    let _ = fs::remove_dir_all(&place);
    tried
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{program} {}: {}", words.join(" "), said.trim()))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Something mounted, until it is dropped.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
    frozen: bool,
}

impl Mount {
    /// Memory of so many bytes.
    ///
    /// # Errors
    /// When it may not be mounted.
    pub fn tmpfs(at: &Path, bytes: u64) -> Result<Self, String> {
        run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs", text(at)])?;
        Ok(Self { at: at.to_path_buf(), frozen: false })
    }

    /// An image file with ext4 in it. Nothing is written back by itself for as long as a test takes.
    ///
    /// # Errors
    /// When it may not be mounted.
    pub fn image(image: &Path, at: &Path) -> Result<Self, String> {
        run("mount", &["-o", "loop,commit=300,noatime", text(image), text(at)])?;
        Ok(Self { at: at.to_path_buf(), frozen: false })
    }

    /// Changes how it is mounted: `ro`, `rw`, `size=..`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remount(&self, how: &str) -> Result<(), String> {
        run("mount", &["-o", &format!("remount,{how}"), text(&self.at)])
    }

    /// Stops every write to it, without an error.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn freeze(&mut self) -> Result<(), String> {
        run("fsfreeze", &["-f", text(&self.at)])?;
        self.frozen = true;
        Ok(())
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn thaw(&mut self) -> Result<(), String> {
        self.frozen = false;
        run("fsfreeze", &["-u", text(&self.at)])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.frozen {
            let _ = self.thaw();
        }
        // What still holds it open is about to end: then it goes by itself.
        if run("umount", &[text(&self.at)]).is_err() {
            let _ = run("umount", &["-l", text(&self.at)]);
        }
    }
}

/// Formats an image file of so many MiB.
///
/// # Errors
/// When that fails.
pub fn format_image(image: &Path, mib: u64) -> Result<(), String> {
    let file = fs::File::create(image).map_err(|e| format!("{}: {e}", image.display()))?;
    file.set_len(mib << 20).map_err(|e| e.to_string())?;
    run("mkfs.ext4", &["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,nodiscard", text(image)])
}

/// A directory on a block device that can be made to forget everything that was not synced.
#[derive(Debug)]
pub struct PowerCut {
    at: PathBuf,
    images: PathBuf,
    generation: u32,
    mount: Option<Mount>,
}

impl PowerCut {
    /// Mounts an empty one at `at`; the images stand beside it.
    ///
    /// # Errors
    /// When this machine does not allow it.
    pub fn new(at: &Path) -> Result<Self, String> {
        let images = at.with_extension("images");
        for dir in [at, &images] {
            fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        format_image(&images.join("0"), 48)?;
        let mount = Some(Mount::image(&images.join("0"), at)?);
        Ok(Self { at: at.to_path_buf(), images, generation: 0, mount })
    }

    /// The power fails: the directory is now what stood on the device. The server must have ended.
    ///
    /// # Errors
    /// When the copy cannot be made or mounted.
    pub fn lose_what_was_not_synced(&mut self) -> Result<(), String> {
        let image = |generation: u32| self.images.join(generation.to_string());
        let (old, new) = (image(self.generation), image(self.generation + 1));
        // Before the old one is unmounted: that would store everything.
        copy_sparse(&old, &new)?;
        self.mount = None;
        fs::remove_file(&old).map_err(|e| e.to_string())?;
        self.generation += 1;
        self.mount = Some(Mount::image(&new, &self.at)?);
        Ok(())
    }
}

impl Drop for PowerCut {
    fn drop(&mut self) {
        self.mount = None;
        let _ = fs::remove_dir_all(&self.images);
    }
}

fn copy_sparse(from: &Path, to: &Path) -> Result<(), String> {
    run("cp", &["--sparse=always", text(from), text(to)])
}
