//! Name and data of a znode as one byte string.
//!
//! Layout: a variable-length integer `name length * 2 + (data is null)`, seven bits a byte, the low ones first; the
//! name; the data.

/// Name and data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    name: &'a [u8],
    data: &'a [u8],
    null: bool,
}

/// The encoded head of a content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl Head {
    const MAX_LEN: usize = usize::BITS.div_ceil(7) as usize;

    pub(super) fn new(name_len: usize, null: bool) -> Self {
        let mut value = (name_len << 1) | usize::from(null);
        let mut head = Self { bytes: [0; Self::MAX_LEN], len: 0 };
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            head.bytes[head.len] = if value == 0 { low } else { low | 0x80 };
            head.len += 1;
            if value == 0 {
                return head;
            }
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<'a> Content<'a> {
    /// Reads what was put together from a [`Head`], a name and data.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let (mut value, mut shift) = (0, 0);
        for (i, &byte) in bytes.iter().enumerate() {
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let (name, data) = bytes[i + 1..].split_at(value >> 1);
                return Self { name, data, null: value & 1 == 1 };
            }
            shift += 7;
        }
        unreachable!("a head ends")
    }

    pub(super) const fn name(&self) -> &'a [u8] {
        self.name
    }

    pub(super) const fn data(&self) -> Option<&'a [u8]> {
        if self.null { None } else { Some(self.data) }
    }

    pub(super) const fn data_len(&self) -> usize {
        self.data.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_data_come_back_and_null_is_not_empty() {
        for name_len in [0, 1, 63, 64, 200, 8191, 8192, 70_000] {
            let name = "n".repeat(name_len);
            for data in [None, Some(&b""[..]), Some(b"data")] {
                let head = Head::new(name_len, data.is_none());
                let bytes = [head.bytes(), name.as_bytes(), data.unwrap_or_default()].concat();
                let content = Content::read(&bytes);
                assert_eq!(content.name(), name.as_bytes());
                assert_eq!(content.data(), data);
                assert_eq!(content.data_len(), data.map_or(0, <[u8]>::len));
            }
        }
    }
}
