//! File names: `log.<zxid hex>`, `snapshot.<zxid hex>[.gz|.snappy]`, and temporary ones.
//!
//! Invariant: a temporary name is taken for a log or snapshot neither by us nor by the official server, which
//! looks at the text before the first dot (`Util.getZxidFromName`).

use oxkeeper_codec::Zxid;

/// How a snapshot is packed (`snapshot.compression.method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// `gz`.
    Gzip,
    /// `snappy`.
    Snappy,
}

impl Compression {
    /// How a file is packed that begins so.
    pub fn of_content(file: &[u8]) -> Self {
        match file {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', ..] => Self::Snappy,
            _ => Self::None,
        }
    }

    /// The method of that name in a configuration, in upper or lower case; what is unknown means none.
    pub fn from_config(text: &str) -> Self {
        [Self::Gzip, Self::Snappy]
            .into_iter()
            .find(|c| c.extension()[1..].eq_ignore_ascii_case(text))
            .unwrap_or_default()
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Snappy => ".snappy",
        }
    }
}

/// What the name of a snapshot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotName {
    /// The last transaction applied when it began.
    pub zxid: Zxid,
    /// How it is packed.
    pub compression: Compression,
}

impl SnapshotName {
    /// Reads a file name.
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("snapshot.")?;
        let (hex, compression) = match rest.split_once('.') {
            None => (rest, Compression::None),
            Some((hex, "gz")) => (hex, Compression::Gzip),
            Some((hex, "snappy")) => (hex, Compression::Snappy),
            Some(_) => return None,
        };
        Some(Self { zxid: parse_hex(hex)?, compression })
    }

    /// The file name.
    pub fn file_name(self) -> String {
        format!("snapshot.{:x}{}", self.zxid.0, self.compression.extension())
    }
}

/// The name of the log whose first transaction this is.
pub fn log_name(first: Zxid) -> String {
    format!("log.{:x}", first.0)
}

/// The first transaction of the log of that name.
pub fn parse_log_name(name: &str) -> Option<Zxid> {
    parse_hex(name.strip_prefix("log.")?)
}

fn parse_hex(text: &str) -> Option<Zxid> {
    if text.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(text, 16).ok().map(Zxid)
}

const TEMPORARY_PREFIX: &str = "oxkeeper-tmp.";

/// The name under which a file is written until it is whole.
pub(super) fn temporary_name(name: &str) -> String {
    format!("{TEMPORARY_PREFIX}{name}")
}

/// The name of a file that somebody sends, by a number that nobody else has.
pub fn upload_name(number: u64) -> String {
    temporary_name(&format!("upload.{number:016x}"))
}

/// Whether a crash may have left this file half written.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY_PREFIX)
}

const INSTALL_PREFIX: &str = "oxkeeper-install.";

/// The name of a fetched snapshot that is whole, and takes the place of all that there is.
pub(super) fn install_name(snapshot: SnapshotName) -> String {
    format!("{INSTALL_PREFIX}{}", snapshot.file_name())
}

/// Which snapshot a file of that name is to become.
pub(super) fn parse_install_name(name: &str) -> Option<SnapshotName> {
    SnapshotName::parse(name.strip_prefix(INSTALL_PREFIX)?)
}

const TOLD_PREFIX: &str = "oxkeeper-told.";

/// The name of what a leader has told beside the snapshot of this transaction.
pub(super) fn told_name(zxid: Zxid) -> String {
    format!("{TOLD_PREFIX}{:x}", zxid.0)
}

/// Beside which snapshot a file of that name belongs.
pub(super) fn parse_told_name(name: &str) -> Option<Zxid> {
    parse_hex(name.strip_prefix(TOLD_PREFIX)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            let name = SnapshotName { zxid: Zxid(0x1_0000_00ff), compression };
            assert_eq!(SnapshotName::parse(&name.file_name()), Some(name));
        }
        assert_eq!(parse_log_name(&log_name(Zxid(0xabc))), Some(Zxid(0xabc)));
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            "snapshot",
            "snapshot.",
            "snapshot.xyz",
            "snapshot.1.tmp",
            "snapshot.-1",
            "oxkeeper-tmp.snapshot.1",
            "oxkeeper-install.snapshot.1",
        ] {
            assert_eq!(SnapshotName::parse(name), None, "{name}");
        }
        for name in ["log", "log.", "log.1.bak", "log.+1", "logs.1"] {
            assert_eq!(parse_log_name(name), None, "{name}");
        }
    }

    #[test]
    fn compression_by_its_configured_name() {
        assert_eq!(Compression::from_config("GZ"), Compression::Gzip);
        assert_eq!(Compression::from_config("snappy"), Compression::Snappy);
        assert_eq!(Compression::from_config("zstd"), Compression::None);
    }
}
