//! The forms in which the shell shows what it is told.

use super::super::dates::Dates;
use oxkeeper_codec::{
    Perms,
    records::{Acl, Id, Stat},
};
use std::{
    fmt::Write as _,
    io::{self, Write},
};

/// How a znode is, a field on a line (`StatPrinter`).
pub(super) fn stat(stat: &Stat, out: &mut dyn Write) -> io::Result<()> {
    let dates = Dates::of_system();
    writeln!(out, "cZxid = 0x{:x}", stat.czxid.0)?;
    writeln!(out, "ctime = {}", dates.of_znode(stat.ctime))?;
    writeln!(out, "mZxid = 0x{:x}", stat.mzxid.0)?;
    writeln!(out, "mtime = {}", dates.of_znode(stat.mtime))?;
    writeln!(out, "pZxid = 0x{:x}", stat.pzxid.0)?;
    writeln!(out, "cversion = {}", stat.cversion)?;
    writeln!(out, "dataVersion = {}", stat.version)?;
    writeln!(out, "aclVersion = {}", stat.aversion)?;
    writeln!(out, "ephemeralOwner = 0x{:x}", stat.ephemeral_owner)?;
    writeln!(out, "dataLength = {}", stat.data_length)?;
    writeln!(out, "numChildren = {}", stat.num_children)
}

const LETTERS: [(char, Perms); 5] = [
    ('c', Perms::CREATE),
    ('d', Perms::DELETE),
    ('r', Perms::READ),
    ('w', Perms::WRITE),
    ('a', Perms::ADMIN),
];

/// `'world,'anyone` and `: cdrwa` (`ZooDefs.Id.toString`, `ZKUtil.getPermString`).
pub(super) fn acl(acl: &Acl, out: &mut dyn Write) -> io::Result<()> {
    let letters: String =
        LETTERS.iter().filter(|(_, perm)| acl.perms.intersects(*perm)).map(|(letter, _)| letter).collect();
    writeln!(out, "{}: {letters}", id(&acl.id))
}

/// As jute writes records for people: text begins with a quote, and what would end it is escaped; a line ends it.
fn id(id: &Id) -> String {
    let text = |text: &str| {
        let mut out = String::from("'");
        for letter in text.chars() {
            match letter {
                '\0' => out.push_str("%00"),
                '\n' => out.push_str("%0A"),
                '\r' => out.push_str("%0D"),
                ',' => out.push_str("%2C"),
                '}' => out.push_str("%7D"),
                '%' => out.push_str("%25"),
                other => out.push(other),
            }
        }
        out
    };
    format!("{},{}\n", text(&id.scheme), text(&id.id))
}

/// Reads `scheme:id:perms,...` (`AclParser`): the entries, and what is wrong with others, which are left out.
pub(super) fn parse_acl(text: &str) -> (Vec<Acl>, Vec<String>) {
    let mut entries = Vec::new();
    let mut complaints = Vec::new();
    for entry in
        text.split(',').rev().skip_while(|entry| entry.is_empty()).collect::<Vec<_>>().into_iter().rev()
    {
        let parts = entry.split_once(':').and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?)));
        let Some((scheme, (id, letters))) = parts else {
            complaints.push(format!("{entry} does not have the form scheme:id:perm"));
            continue;
        };
        let mut perms = Perms::NONE;
        for letter in letters.chars() {
            match LETTERS.iter().find(|(known, _)| *known == letter) {
                Some((_, perm)) => perms = Perms(perms.0 | perm.0),
                None => complaints.push(format!("Unknown perm type: {letter}")),
            }
        }
        entries.push(Acl { perms, id: Id { scheme: scheme.into(), id: id.into() } });
    }
    (entries, complaints)
}

/// Bytes in hexadecimal and as text, in a table (netty's `ByteBufUtil.prettyHexDump`).
pub(super) fn hex_dump(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    let frame = "         +-------------------------------------------------+";
    let line = "+--------+-------------------------------------------------+----------------+";
    let mut out = format!("{frame}\n         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n{line}");
    for (row, bytes) in data.chunks(16).enumerate() {
        let hex: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
        let text: String = bytes
            .iter()
            .map(|&byte| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' })
            .collect();
        let offset = row * 16;
        // Writing to a string does not fail.
        let _ = write!(out, "\n|{offset:08x}|{hex:<48} |{text:<16}|");
    }
    out + "\n" + line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acls_are_read_and_shown() {
        let (entries, complaints) = parse_acl("world:anyone:r,digest:a:b=:cdx,garbage");
        assert_eq!(complaints, ["Unknown perm type: x", "garbage does not have the form scheme:id:perm"]);
        let mut out = Vec::new();
        entries.iter().for_each(|entry| acl(entry, &mut out).unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), "'world,'anyone\n: r\n'digest,'a:b=\n: cd\n");
    }

    #[test]
    fn bytes_stand_in_a_table() {
        let table = hex_dump(b"0123456789abcdefgh\0");
        let rows: Vec<&str> = table.lines().skip(3).collect();
        assert_eq!(rows[0], "|00000000| 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 |0123456789abcdef|");
        assert_eq!(rows[1], "|00000010| 67 68 00                                        |gh.             |");
        assert_eq!(hex_dump(b""), "");
    }
}
